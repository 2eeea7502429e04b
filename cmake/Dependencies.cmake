# Foreign libraries, one block each. A room names the target in its LIBS; no public header shows their types.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.5 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(RocksDB REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(yyjson REQUIRED)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(CAP REQUIRED IMPORTED_TARGET libcap)
pkg_check_modules(NGTCP2 REQUIRED IMPORTED_TARGET libngtcp2>=1.22 libngtcp2_crypto_ossl>=1.22)
pkg_check_modules(MINIUPNPC REQUIRED IMPORTED_TARGET miniupnpc>=2.2)
find_package(Boost 1.74 REQUIRED)
find_package(CURL 7.85 REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)  # RocksDB's own target is not always made

# gRPC by library name: its CMake config and its pkg-config file walk all of abseil, 90 s of configuring.
find_library(GRPCPP_LIBRARY grpc++ REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
add_library(hanse_grpc INTERFACE)
target_link_libraries(hanse_grpc INTERFACE ${GRPCPP_LIBRARY} grpc gpr absl_synchronization protobuf::libprotobuf)

# BLAKE3: a packaged library, else the C sources that Debian's Rust package carries, else BLAKE3_SOURCE_DIR.
find_package(BLAKE3 CONFIG QUIET)
if(NOT TARGET BLAKE3::blake3)
  if(NOT BLAKE3_SOURCE_DIR)
    file(GLOB hanse_blake3_dirs /usr/share/cargo/registry/blake3-1.*/c)
    if("${hanse_blake3_dirs}" STREQUAL "")
      message(FATAL_ERROR "BLAKE3 not found: install librust-blake3-dev (or libblake3-dev), or set BLAKE3_SOURCE_DIR")
    endif()
    list(GET hanse_blake3_dirs -1 BLAKE3_SOURCE_DIR)
  endif()
  set(hanse_b3 ${BLAKE3_SOURCE_DIR})
  add_library(hanse_blake3 STATIC
    ${hanse_b3}/blake3.c ${hanse_b3}/blake3_dispatch.c ${hanse_b3}/blake3_portable.c)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    target_sources(hanse_blake3 PRIVATE ${hanse_b3}/blake3_sse2_x86-64_unix.S ${hanse_b3}/blake3_sse41_x86-64_unix.S
      ${hanse_b3}/blake3_avx2_x86-64_unix.S ${hanse_b3}/blake3_avx512_x86-64_unix.S)
  elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    target_sources(hanse_blake3 PRIVATE ${hanse_b3}/blake3_neon.c)
  endif()
  target_include_directories(hanse_blake3 SYSTEM PUBLIC ${hanse_b3})
  target_compile_options(hanse_blake3 PRIVATE -w -O3)
  add_library(BLAKE3::blake3 ALIAS hanse_blake3)
endif()

# WasmEdge has neither a CMake nor a pkg-config file. Used by the wasm plug-in only.
find_path(WASMEDGE_INCLUDE_DIR wasmedge/wasmedge.h)
find_library(WASMEDGE_LIBRARY wasmedge)
if(WASMEDGE_INCLUDE_DIR AND WASMEDGE_LIBRARY)
  add_library(wasmedge::wasmedge INTERFACE IMPORTED)
  target_include_directories(wasmedge::wasmedge SYSTEM INTERFACE ${WASMEDGE_INCLUDE_DIR})
  target_link_libraries(wasmedge::wasmedge INTERFACE ${WASMEDGE_LIBRARY})
endif()

pkg_check_modules(ONNXRUNTIME REQUIRED IMPORTED_TARGET libonnxruntime>=1.21)  # the onnx plug-in only

# libnatpmp has neither a CMake nor a pkg-config file in Debian.
find_path(NATPMP_INCLUDE_DIR natpmp.h REQUIRED)
find_library(NATPMP_LIBRARY natpmp REQUIRED)
add_library(NATPMP::natpmp INTERFACE IMPORTED)
target_include_directories(NATPMP::natpmp SYSTEM INTERFACE ${NATPMP_INCLUDE_DIR})
target_link_libraries(NATPMP::natpmp INTERFACE ${NATPMP_LIBRARY})

if(HANSE_TESTS OR HANSE_FUZZ)
  find_package(GTest REQUIRED)
endif()
if(HANSE_BENCH)
  find_package(benchmark REQUIRED)
  find_package(dnnl CONFIG QUIET)
  pkg_check_modules(BOTAN QUIET IMPORTED_TARGET botan-3)
endif()
