# The CUDA kernels' bodies on the emulator. Included by tests/attention/CMakeLists.txt.
if(TARGET cuda_emulation)
  sparge_test(attention_emulated_kernel_test
    SOURCES cuda/emulated_kernel_test.cpp cuda/emulated_device.cpp cuda/gpu_cases.cpp
    LIBS attention_test_support attention_cuda_plan cuda_emulation)
endif()
# The same cases on a real GPU, and times: a program without GoogleTest, for a machine that has a GPU and little else.
if(TARGET attention_cuda)
  add_executable(gpu_check cuda/gpu_check.cpp cuda/gpu_cases.cpp cuda/gpu_bench.cu support.cpp compare.cpp)
  target_include_directories(gpu_check PRIVATE "${PROJECT_SOURCE_DIR}")
  set_target_properties(gpu_check PROPERTIES CUDA_STANDARD 20)
  target_link_libraries(gpu_check PRIVATE attention_cuda)
  target_include_directories(gpu_check SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
endif()
