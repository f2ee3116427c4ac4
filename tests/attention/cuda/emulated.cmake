# The CUDA kernels' bodies on the emulator. Included by tests/attention/CMakeLists.txt.
if(TARGET cuda_emulation)
  sparge_test(attention_emulated_kernel_test
    SOURCES cuda/emulated_kernel_test.cpp cuda/emulated_device.cpp cuda/gpu_cases.cpp
    LIBS attention_test_support attention_cuda_plan cuda_emulation)
endif()
include("${CMAKE_CURRENT_LIST_DIR}/gpu.cmake")
# The kernels' machine code: nothing spills (skipped where there is no disassembler; scripts/setup.sh test fetches one).
if(TARGET attention_cuda)
  add_test(NAME attention_cuda_machine_code COMMAND "${PROJECT_SOURCE_DIR}/scripts/sass_report.sh" $<TARGET_FILE:attention_cuda>)
  set_tests_properties(attention_cuda_machine_code PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600 LABELS check)
endif()
