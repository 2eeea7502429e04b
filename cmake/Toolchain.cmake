# ccache, mold and sanitizers, each used when it is there.
find_program(HANSE_CCACHE ccache)
if(HANSE_CCACHE)
  # The launcher also writes the checksum beside a precompiled header that lets ccache hit across clones.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/launch.sh)
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/launch.sh)
endif()

find_program(HANSE_MOLD mold)
if(HANSE_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=mold)
endif()

if(HANSE_SANITIZE)
  add_compile_options(-fsanitize=${HANSE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HANSE_SANITIZE})
endif()
if(HANSE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "HANSE_FUZZ needs clang (found ${CMAKE_CXX_COMPILER_ID}): use ./dev fuzz")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()

set_property(GLOBAL PROPERTY JOB_POOLS heavy=1)
