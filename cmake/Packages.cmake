# Everything that comes from the distribution's packages (scripts/packages.txt).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp REQUIRED)

# For tests; the program needs neither. OpenCV's own find_package wants every module installed, with Qt and VTK behind them
# (1,200 MB against 800): here are the four that we use, under the names that it would give them.
if(SPARGE_BUILD_TESTS)
  pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
  find_path(OPENCV_INCLUDE_DIR opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 REQUIRED)
  set(OpenCV_INCLUDE_DIRS "${OPENCV_INCLUDE_DIR}")
  set(OpenCV_LIBS opencv_core opencv_imgproc opencv_imgcodecs opencv_videoio)
  foreach(_module IN LISTS OpenCV_LIBS)
    find_library(${_module}_LIBRARY ${_module} REQUIRED)
    add_library(${_module} SHARED IMPORTED)
    set_target_properties(${_module} PROPERTIES
      IMPORTED_LOCATION "${${_module}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${OPENCV_INCLUDE_DIR}")
  endforeach()
endif()
