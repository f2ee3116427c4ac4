# The emulator's worked examples as a program for a GPU: needs nothing but CUDA, no GoogleTest.
if(SPARGE_CUDA_KERNELS)
  add_executable(emulator_cases "${CMAKE_CURRENT_LIST_DIR}/emulator_cases.cu")
  target_include_directories(emulator_cases PRIVATE "${PROJECT_SOURCE_DIR}")
  set_target_properties(emulator_cases PROPERTIES CUDA_ARCHITECTURES "${SPARGE_CUDA_ARCHS}" CUDA_STANDARD 17
    CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Static)
endif()
