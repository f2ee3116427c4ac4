# attention/ configured, built and tested as a project of its own, without libtorch.
#   cmake -DSOURCE=… -DWORK=… -DCXX=… -DFLAGS=… -DGENERATOR=… -P alone.cmake
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${WORK}")
foreach(step "${CMAKE_COMMAND};-S;${SOURCE}/attention;-B;${WORK};-G;${GENERATOR};-DCMAKE_CXX_COMPILER=${CXX};-DCMAKE_CXX_FLAGS=${FLAGS}"
             "${CMAKE_COMMAND};--build;${WORK};--parallel;2"
             "${CMAKE_CTEST_COMMAND};--test-dir;${WORK};--label-exclude;long;--output-on-failure;--no-tests=error")
  execute_process(COMMAND ${step} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${step}\nended with ${result}:\n${output}")
  endif()
endforeach()
foreach(name spargeattn_base spargeattn_core)
  if(NOT EXISTS "${WORK}/lib${name}.a")
    message(FATAL_ERROR "no lib${name}.a in ${WORK}")
  endif()
endforeach()
