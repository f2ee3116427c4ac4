# Installs the package from a build, then configures, builds and runs programs of their own against it.
#   cmake -DBUILD=… -DSOURCE=… -DWORK=… -DTORCH_ROOT=… -DCXX=… -DFLAGS=… -DGENERATOR=… -P test.cmake
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${WORK}")

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${result}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect pattern)
  if(NOT output MATCHES "${pattern}")
    message(FATAL_ERROR "expected '${pattern}' in:\n${output}")
  endif()
endfunction()

set(common -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_CXX_FLAGS=${FLAGS}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
run("${CMAKE_COMMAND}" --install "${BUILD}" --component SpargeAttn --prefix "${WORK}/elsewhere")
file(RENAME "${WORK}/elsewhere" "${WORK}/prefix")  # a package can be moved
# Nothing that is installed knows where it was built.
file(GLOB_RECURSE texts "${WORK}/prefix/*.h" "${WORK}/prefix/*.cmake")
foreach(file IN LISTS texts)
  file(READ "${file}" text)
  string(FIND "${text}" "${SOURCE}" at)
  if(NOT at EQUAL -1)
    message(FATAL_ERROR "${file} names ${SOURCE}")
  endif()
endforeach()

run("${CMAKE_COMMAND}" -S "${SOURCE}/attention/example" -B "${WORK}/example" ${common})
run("${CMAKE_COMMAND}" --build "${WORK}/example")
run("${WORK}/example/attend_example")
expect("^kernel [a-z0-9_]+: .+\nkept 256 and 128 of 512 blocks\n$")
file(READ "${SOURCE}/attention/example/attend_example.cpp" text)
string(REGEX MATCHALL "\n" lines "${text}")
list(LENGTH lines count)
if(count GREATER 40)
  message(FATAL_ERROR "the example has ${count} lines")
endif()

if(TORCH_ROOT)
  run("${CMAKE_COMMAND}" -S "${SOURCE}/tests/attention/package" -B "${WORK}/torch" ${common} "-DSPARGE_TORCH_ROOT=${TORCH_ROOT}")
  run("${CMAKE_COMMAND}" --build "${WORK}/torch")
  run("${WORK}/torch/torch_consumer")
  expect("relative error as expected")
endif()
# Without libtorch the door is missing, and the package says why.
execute_process(COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}/tests/attention/package" -B "${WORK}/without" ${common}
  OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
if(result EQUAL 0)
  message(FATAL_ERROR "find_package(SpargeAttn COMPONENTS attention) did not miss libtorch")
endif()
string(REGEX REPLACE "[ \n]+" " " output "${output}")
expect("SpargeAttn::attention is not there")
