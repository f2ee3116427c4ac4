# Compiler launcher, linker, optimisation, warnings and sanitizers, for every target.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang" OR
   (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12))
  message(FATAL_ERROR "Needs g++ 12 or newer, or clang++; got ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER}).")
endif()

find_program(SPARGE_CCACHE ccache)
if(SPARGE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${SPARGE_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${SPARGE_CCACHE}")
endif()
find_program(SPARGE_MOLD mold)
if(SPARGE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)
# Time goes to libtorch's kernels, not to our loops: -O2 compiles faster than CMake's -O3 and runs as fast.
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

if(SPARGE_SANITIZE)
  # Build type of the sanitizer presets: asserts on, line numbers in reports, still fast enough to render with.
  set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1")
  set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1")
  add_compile_options(-fsanitize=${SPARGE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SPARGE_SANITIZE})
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  # Instrumented code makes gcc see uninitialised uses inside std::regex that are not there.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(SPARGE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
