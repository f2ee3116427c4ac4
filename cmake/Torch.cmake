# libtorch as imported targets made by hand, for find_package(Torch) insists on a CUDA toolkit and changes global flags:
#   sparge::torch        headers, libtorch_cpu, libc10: what libraries and tests link
#   sparge::torch_cuda   its CUDA half, registered by being loaded: what the program links besides. Empty without it.
# SPARGE_TORCH_ROOT is the folder that holds include/ and lib/: a wheel's torch/ or an unpacked libtorch.
set(SPARGE_TORCH_ROOT "" CACHE PATH "libtorch: the folder with include/ and lib/ (default: where scripts/setup.sh puts it)")
if(NOT SPARGE_TORCH_ROOT)
  execute_process(COMMAND "${PROJECT_SOURCE_DIR}/scripts/setup.sh" --torch-root
    OUTPUT_VARIABLE _torch_root OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(SPARGE_TORCH_ROOT "${_torch_root}" CACHE PATH "" FORCE)
endif()
set(_torch_lib "${SPARGE_TORCH_ROOT}/lib")
foreach(_file include/ATen/ATen.h include/torch/headeronly/version.h lib/libtorch_cpu.so lib/libc10.so)
  if(NOT EXISTS "${SPARGE_TORCH_ROOT}/${_file}")
    message(FATAL_ERROR "No libtorch at SPARGE_TORCH_ROOT='${SPARGE_TORCH_ROOT}': no ${_file}. Run `make build`, or pass -DSPARGE_TORCH_ROOT=/path/to/libtorch.")
  endif()
endforeach()
file(READ "${SPARGE_TORCH_ROOT}/include/torch/headeronly/version.h" _version_h)
set(SPARGE_TORCH_VERSION "")
foreach(_part MAJOR MINOR PATCH)
  string(REGEX MATCH "#define TORCH_VERSION_${_part} ([0-9]+)" _ "${_version_h}")
  list(APPEND SPARGE_TORCH_VERSION "${CMAKE_MATCH_1}")
endforeach()
list(JOIN SPARGE_TORCH_VERSION "." SPARGE_TORCH_VERSION)
if(SPARGE_TORCH_VERSION VERSION_LESS 2.11 OR SPARGE_TORCH_VERSION VERSION_GREATER_EQUAL 2.12)
  message(NOTICE "sparge: warning: libtorch ${SPARGE_TORCH_VERSION} at ${SPARGE_TORCH_ROOT}; 2.11 is what this is written for and tested with")
endif()

add_library(sparge_torch INTERFACE)
add_library(sparge::torch ALIAS sparge_torch)
target_include_directories(sparge_torch SYSTEM INTERFACE
  "${SPARGE_TORCH_ROOT}/include" "${SPARGE_TORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(sparge_torch INTERFACE "${_torch_lib}/libtorch_cpu.so" "${_torch_lib}/libc10.so")
target_link_options(sparge_torch INTERFACE "-Wl,-rpath,${_torch_lib}" -Wl,--allow-shlib-undefined)

set(SPARGE_CUDA AUTO CACHE STRING "CUDA: AUTO (what libtorch and the machine have), ON (an error where they lack it) or OFF")
set_property(CACHE SPARGE_CUDA PROPERTY STRINGS AUTO ON OFF)
add_library(sparge_torch_cuda INTERFACE)
add_library(sparge::torch_cuda ALIAS sparge_torch_cuda)
set(SPARGE_TORCH_HAS_CUDA OFF)
if(SPARGE_CUDA AND EXISTS "${_torch_lib}/libtorch_cuda.so")
  set(SPARGE_TORCH_HAS_CUDA ON)
  # Nothing refers to these by symbol, so the linker would drop them.
  target_link_libraries(sparge_torch_cuda INTERFACE sparge_torch
    -Wl,--no-as-needed "${_torch_lib}/libtorch_cuda.so" "${_torch_lib}/libc10_cuda.so" -Wl,--as-needed)
elseif(SPARGE_CUDA STREQUAL "ON")
  message(FATAL_ERROR "SPARGE_CUDA=ON, but libtorch at ${SPARGE_TORCH_ROOT} has no lib/libtorch_cuda.so.")
endif()
