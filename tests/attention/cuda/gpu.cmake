# The same cases on a real GPU, and times: programs without GoogleTest, for a machine that has a GPU and little else.
# Included where the tests are built, and by attention/ alone with SPARGE_GPU_CHECK (scripts/gpu_check.sh).
if(TARGET attention_cuda)
  set(_tests "${PROJECT_SOURCE_DIR}/tests/attention")
  function(sparge_gpu_program name)
    add_executable(${name} ${ARGN})
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
    set_target_properties(${name} PROPERTIES CUDA_STANDARD 20 CUDA_ARCHITECTURES "${SPARGE_CUDA_ARCHS}"
      CUDA_RUNTIME_LIBRARY Static)
    target_link_libraries(${name} PRIVATE attention_cuda)
    target_include_directories(${name} SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  endfunction()
  sparge_gpu_program(gpu_check "${_tests}/cuda/gpu_check.cpp" "${_tests}/cuda/gpu_cases.cpp" "${_tests}/cuda/gpu_bench.cu"
    "${_tests}/cuda/gpu_scores.cu" "${_tests}/support.cpp" "${_tests}/compare.cpp")
  if(TARGET attention AND SPARGE_TORCH_HAS_CUDA)
    sparge_gpu_program(gpu_door "${_tests}/cuda/gpu_door.cpp" "${_tests}/cuda/gpu_bench.cu")
    target_link_libraries(gpu_door PRIVATE attention sparge::torch_cuda)
  endif()
endif()
