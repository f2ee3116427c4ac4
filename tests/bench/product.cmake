# Renders of random models: a program without GoogleTest. Included where the tests are built, and by attention/ alone with
# SPARGE_GPU_CHECK (scripts/gpu_check.sh).
add_executable(gpu_product "${CMAKE_CURRENT_LIST_DIR}/gpu_product.cpp" "${CMAKE_CURRENT_LIST_DIR}/made_weights.cpp")
target_include_directories(gpu_product PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(gpu_product PRIVATE pipeline_models sparge::torch_cuda)
