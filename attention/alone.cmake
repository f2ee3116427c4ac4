# attention/ as a project of its own:   cmake -S attention -B build-attention [-DSPARGE_TORCH_ROOT=/path/to/libtorch]
# Without SPARGE_TORCH_ROOT there is only the core, which needs a C++ compiler and nothing else (tests: GoogleTest).

# Includes ("attention/call.h") and tests are relative to the repository's root.
get_filename_component(PROJECT_SOURCE_DIR "${CMAKE_CURRENT_SOURCE_DIR}" DIRECTORY)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
option(SPARGE_BUILD_TESTS "Build the tests" ON)
set(SPARGE_SANITIZE "" CACHE STRING "Sanitizers for all of our code: address,undefined or thread")
include("${PROJECT_SOURCE_DIR}/cmake/Toolchain.cmake")
if(SPARGE_TORCH_ROOT)
  include("${PROJECT_SOURCE_DIR}/cmake/Torch.cmake")
endif()
option(SPARGE_GPU_CHECK "Build the CUDA kernels and the programs of scripts/gpu_check.sh (needs nvcc, no GoogleTest)" OFF)
if(SPARGE_GPU_CHECK)
  set(SPARGE_CUDA AUTO CACHE STRING "CUDA")
  include("${PROJECT_SOURCE_DIR}/cmake/Cuda.cmake")
  if(NOT SPARGE_CUDA_KERNELS)
    message(FATAL_ERROR "SPARGE_GPU_CHECK needs nvcc: put it on the PATH, or set CUDA_HOME.")
  endif()
  # A program shares the C++ library with libtorch, or each frees what the other made. A g++ without libstdc++.so links
  # libstdc++.a: the one that libtorch loads goes before it and leaves it nothing to add.
  if(SPARGE_TORCH_ROOT)
    execute_process(COMMAND ldd "${SPARGE_TORCH_ROOT}/lib/libc10.so" OUTPUT_VARIABLE _needs)
    if(_needs MATCHES "libstdc\\+\\+\\.so\\.6 => ([^ \n]+)")
      target_link_libraries(sparge_torch INTERFACE "${CMAKE_MATCH_1}")
    endif()
  endif()
endif()
