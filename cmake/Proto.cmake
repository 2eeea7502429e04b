# hanse_proto(NAME FILE): the C++ of proto/FILE, messages and services, made in the build tree only. Target
# hanse_proto_NAME; include it as "hanse/.../x.pb.h". Foreign code: compiled without warnings, one file at a time.
function(hanse_proto name file)
  string(REGEX REPLACE "\\.proto$" "" stem ${file})
  set(gen ${CMAKE_BINARY_DIR}/gen)
  set(outputs ${gen}/${stem}.pb.cc ${gen}/${stem}.pb.h ${gen}/${stem}.grpc.pb.cc ${gen}/${stem}.grpc.pb.h)
  file(MAKE_DIRECTORY ${gen})
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR}/proto --cpp_out=${gen} --grpc_out=${gen}
            --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${CMAKE_SOURCE_DIR}/proto/${file}
    DEPENDS ${CMAKE_SOURCE_DIR}/proto/${file}
    COMMENT "protoc ${file}" VERBATIM)
  add_library(hanse_proto_${name} STATIC ${outputs})
  target_include_directories(hanse_proto_${name} SYSTEM PUBLIC ${gen})
  target_compile_options(hanse_proto_${name} PRIVATE -w)
  target_link_libraries(hanse_proto_${name} PUBLIC hanse_grpc)
  set_target_properties(hanse_proto_${name} PROPERTIES JOB_POOL_COMPILE heavy)
endfunction()
