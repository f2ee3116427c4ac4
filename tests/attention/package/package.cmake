# The package SpargeAttn as its users see it: installed, and attention/ built as a project of its own.
set(package_flags "${CMAKE_CXX_FLAGS}")
if(SPARGE_SANITIZE)
  string(APPEND package_flags " -fsanitize=${SPARGE_SANITIZE}")
endif()
set(package_arguments "-DBUILD=${CMAKE_BINARY_DIR}" "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DCXX=${CMAKE_CXX_COMPILER}"
  "-DFLAGS=${package_flags}" "-DGENERATOR=${CMAKE_GENERATOR}")
set(package_torch "")
if(TARGET attention)
  set(package_torch "${SPARGE_TORCH_ROOT}")
endif()
add_test(NAME attention_package_test COMMAND "${CMAKE_COMMAND}" ${package_arguments} "-DTORCH_ROOT=${package_torch}"
  "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/package_test" -P "${CMAKE_CURRENT_LIST_DIR}/test.cmake")
set_tests_properties(attention_package_test PROPERTIES TIMEOUT 600)
if(NOT CMAKE_SOURCE_DIR STREQUAL "${PROJECT_SOURCE_DIR}/attention")
  add_test(NAME attention_alone_test COMMAND "${CMAKE_COMMAND}" ${package_arguments}
    "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/alone_test" -P "${CMAKE_CURRENT_LIST_DIR}/alone.cmake")
  set_tests_properties(attention_alone_test PROPERTIES TIMEOUT 3600 LABELS long)
endif()
