# The library as the CMake package SpargeAttn:   cmake --install BUILD --component SpargeAttn --prefix WHERE
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set_target_properties(attention_base PROPERTIES EXPORT_NAME base OUTPUT_NAME spargeattn_base)
set_target_properties(attention_core PROPERTIES EXPORT_NAME core OUTPUT_NAME spargeattn_core)
install(TARGETS attention_base attention_core EXPORT SpargeAttnTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT SpargeAttn
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

set(_headers call.h parallel.h base/error.h cpu/kernels.h reference/reference.h)
set(SPARGE_ATTENTION_TORCH_VERSION "")
set(SPARGE_ATTENTION_CUDA OFF)
if(TARGET attention)
  # Not exported: where its libtorch is, is for the package's user to say (SpargeAttnConfig.cmake).
  set_target_properties(attention PROPERTIES OUTPUT_NAME spargeattn)
  install(TARGETS attention ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT SpargeAttn)
  list(APPEND _headers attention.h options.h stats.h)
  set(SPARGE_ATTENTION_TORCH_VERSION "${SPARGE_TORCH_VERSION}")
  if(TARGET attention_cuda AND SPARGE_TORCH_HAS_CUDA)
    set(SPARGE_ATTENTION_CUDA ON)
    set_target_properties(attention_cuda PROPERTIES OUTPUT_NAME spargeattn_cuda)
    set_target_properties(attention_cuda_plan PROPERTIES OUTPUT_NAME spargeattn_cuda_plan)
    install(TARGETS attention_cuda attention_cuda_plan
      ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT SpargeAttn)
  endif()
endif()
foreach(_header IN LISTS _headers)
  get_filename_component(_folder "${_header}" DIRECTORY)
  install(FILES "${CMAKE_CURRENT_SOURCE_DIR}/${_header}"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/attention/${_folder}" COMPONENT SpargeAttn)
endforeach()

set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/SpargeAttn")
configure_package_config_file("${CMAKE_CURRENT_SOURCE_DIR}/cmake/SpargeAttnConfig.cmake.in"
  "${CMAKE_CURRENT_BINARY_DIR}/SpargeAttnConfig.cmake"
  INSTALL_DESTINATION "${_package}" PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/SpargeAttnConfigVersion.cmake"
  VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/SpargeAttnConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/SpargeAttnConfigVersion.cmake"
  DESTINATION "${_package}" COMPONENT SpargeAttn)
install(EXPORT SpargeAttnTargets NAMESPACE SpargeAttn:: DESTINATION "${_package}" COMPONENT SpargeAttn)
