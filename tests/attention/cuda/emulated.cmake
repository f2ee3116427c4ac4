# The CUDA kernels' bodies on the emulator. Included by tests/attention/CMakeLists.txt.
if(TARGET cuda_emulation)
  sparge_test(attention_emulated_kernel_test
    SOURCES cuda/emulated_kernel_test.cpp cuda/emulated_device.cpp cuda/gpu_cases.cpp
    LIBS attention_test_support attention_cuda_plan cuda_emulation)
endif()
