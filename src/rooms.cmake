# THE FLOOR PLAN. One line a room: room(path floor USES rooms LIBS foreign targets). See ARCHITECTURE.md.

# 0 base: knows nothing of networks or ledgers
room(base/core 0 LIBS fmt::fmt)
room(base/codec 0 LIBS yyjson::yyjson yaml-cpp::yaml-cpp)
room(base/crypto 0 USES codec LIBS OpenSSL::Crypto BLAKE3::blake3 BENCH_LIBS PkgConfig::BOTAN)
room(base/config 0 USES codec LIBS tomlplusplus::tomlplusplus)
room(base/logging 0 USES codec LIBS spdlog::spdlog)
room(base/telemetry 0 USES logging LIBS prometheus-cpp::core)
room(base/governor 0)
room(base/plugin 0 USES codec TEST_NEEDS probe_1 probe_2 probe_fails probe_small probe_abi probe_manifest probe_hollow
     probe_unsaved probe_needy)
if(HANSE_TESTS OR HANSE_BENCH)
  foreach(variant "1|1.0.0||" "2|1.1.0||" "fails|1.2.0|upgrade fails|" "small|1.0.0|small table|" "abi|1.0.0|other abi|"
          "manifest|1.0.0|bad manifest|"
          "hollow|1.0.0|no execute|" "unsaved|1.0.0|no save|" "needy|1.0.0||probe >= 1.1.0")
    string(REPLACE "|" ";" v "${variant}")
    list(GET v 0 name)
    list(GET v 1 version)
    list(GET v 2 fault)
    list(GET v 3 needs)
    set(id probe)
    if(needs)
      set(id ${name})
    endif()
    plugin(probe_${name} SOURCES base/plugin/plugin_probe.cc ROOMS plugin FOLDER hanse-test DEFINES
      PROBE_ID=\"${id}\" PROBE_VERSION=\"${version}\" "PROBE_FAULT=\"${fault}\"" "PROBE_NEEDS=\"${needs}\"")
  endforeach()
endif()
room(base/exec 0)

# 1 store: bytes that survive
room(store/kv 1 LIBS RocksDB::rocksdb-shared)
room(store/journal 1 USES codec)
room(store/blob 1 USES codec crypto)
room(store/archive 1 USES codec crypto LIBS CURL::libcurl PkgConfig::ZSTD)

# 2 mesh: peers
room(mesh/nat 2 USES crypto TEST_USES codec)
room(mesh/transport 2 USES crypto LIBS PkgConfig::NGTCP2 OpenSSL::SSL OpenSSL::Crypto
     TEST_LIBS PkgConfig::NGTCP2 OpenSSL::SSL OpenSSL::Crypto TEST_SOURCES world_test.cc)
room(mesh/gate 2 USES codec crypto transport LIBS OpenSSL::SSL OpenSSL::Crypto)
room(mesh/peers 2 USES crypto transport)
room(mesh/links 2 USES crypto logging transport peers)
room(mesh/identity 2 USES codec crypto)
room(mesh/relay 2 USES peers)
room(mesh/reach 2 USES crypto transport peers relay nat identity)
room(mesh/gossip 2 USES codec crypto)
room(mesh/discovery 2 USES codec crypto)
room(mesh/rendezvous 2 USES codec crypto identity)
room(mesh/lan 2 USES codec discovery)
room(mesh/portmap 2 LIBS PkgConfig::MINIUPNPC NATPMP::natpmp Threads::Threads TEST_USES codec)
if(HANSE_TESTS)
  program(lan_probe mesh/lan/main_lan_probe.cc ROOMS lan codec discovery)
  program(portmap_probe mesh/portmap/main_portmap_probe.cc ROOMS portmap)
endif()

# 3 chain: order and proof
room(chain/light 3 USES codec crypto)
room(chain/consensus 3 USES codec crypto)
room(chain/ledger 3 USES codec crypto kv light)
room(chain/reputation 3 USES codec crypto light ledger consensus)
room(chain/stake 3 USES codec crypto light ledger reputation)
room(chain/beacon 3 USES codec crypto light ledger)
room(chain/sync 3 USES codec crypto light consensus TEST_USES ledger)
room(chain/replica 3 USES codec crypto logging kv journal light ledger consensus reputation stake sync links)
room(chain/backup 3 USES codec crypto kv archive light ledger TEST_USES replica)

# 4 exchange: jobs, prices, work, receipts
room(exchange/gxf 4 USES codec crypto)
if(HANSE_TESTS)
  program(gxf_bad_jobs exchange/gxf/main_bad_jobs.cc ROOMS gxf light)
endif()
room(exchange/router 4 USES codec crypto light ledger beacon BENCH_LIBS OpenSSL::Crypto)
room(exchange/market 4 USES codec crypto gxf)
room(exchange/auction 4 USES codec crypto gxf market ledger TEST_USES kv light BENCH_LIBS GTest::gtest
     TEST_NEEDS hanse-auction-check)
program(hanse-auction-check exchange/market/main_auction_check.cc ROOMS market)
room(exchange/runtime 4 USES codec crypto governor plugin exec gxf LIBS PkgConfig::SECCOMP
     TEST_NEEDS hanse-worker kind_echo kind_twin)
program(hanse-worker exchange/runtime/main_worker.cc ROOMS runtime)
if(HANSE_TESTS OR HANSE_BENCH)
  plugin(kind_echo SOURCES exchange/runtime/plugin_echo.cc ROOMS runtime FOLDER hanse-test)
  plugin(kind_twin SOURCES exchange/runtime/plugin_echo.cc ROOMS runtime FOLDER hanse-test DEFINES ECHO_ID=\"twin\")
endif()
room(exchange/wasm 4 USES codec crypto gxf runtime TEST_LIBS wasmedge::wasmedge
  TEST_SOURCES plugin_cache.cc plugin_engine.cc plugin_host.cc plugin_wasm.cc TEST_NEEDS hanse-worker wasm)
plugin(wasm ROOMS wasm runtime LIBS wasmedge::wasmedge SOURCES exchange/wasm/plugin_cache.cc
  exchange/wasm/plugin_engine.cc exchange/wasm/plugin_entry.cc exchange/wasm/plugin_host.cc
  exchange/wasm/plugin_wasm.cc)
if(HANSE_TESTS)
  plugin(liar_wasm ROOMS wasm runtime LIBS wasmedge::wasmedge FOLDER hanse-liar-wasm SOURCES
    exchange/wasm/plugin_cache.cc exchange/wasm/plugin_engine.cc exchange/wasm/plugin_host.cc
    exchange/wasm/plugin_step_liar.cc exchange/wasm/plugin_wasm.cc)
endif()
room(exchange/tensor 4 USES codec crypto gxf runtime BENCH_LIBS DNNL::dnnl TEST_NEEDS hanse-worker tensor)
plugin(tensor SOURCES exchange/tensor/plugin_tensor.cc ROOMS tensor runtime)
room(exchange/onnx 4 USES codec gxf runtime tensor TEST_LIBS PkgConfig::ONNXRUNTIME
  TEST_SOURCES plugin_session.cc TEST_NEEDS hanse-worker onnx)
plugin(onnx ROOMS onnx runtime LIBS PkgConfig::ONNXRUNTIME SOURCES exchange/onnx/plugin_onnx.cc
  exchange/onnx/plugin_session.cc)
room(exchange/pilots 4 USES codec crypto plugin logging telemetry exec archive gxf runtime
     LIBS OpenSSL::SSL OpenSSL::Crypto TEST_NEEDS hanse-pilot hanse-worker kind_echo)
program(hanse-pilot exchange/pilots/main_pilot.cc ROOMS pilots runtime)
room(exchange/payload 4 USES codec crypto gxf)
room(exchange/proof 4 USES codec plugin crypto gxf runtime tensor TEST_NEEDS hanse-worker proof)
plugin(proof SOURCES exchange/proof/plugin_proof.cc ROOMS proof tensor runtime)
if(HANSE_TESTS)
  foreach(lie 1 2 3 4 5)
    plugin(liar_${lie} SOURCES exchange/proof/plugin_liar.cc ROOMS proof tensor runtime FOLDER hanse-liar-${lie}
      DEFINES LIE=${lie})
  endforeach()
endif()
room(exchange/receipt 4 USES codec crypto gxf market light TEST_USES ledger auction TEST_NEEDS hanse-verify)
program(hanse-verify exchange/receipt/main_verify.cc ROOMS receipt)
room(exchange/flow 4 USES codec crypto kv gxf market runtime receipt payload
     TEST_USES light ledger auction tensor proof)

# 5 engines: systems that jobs and nodes use
room(engines/tlog 5 USES codec plugin crypto kv)

# 6 node: one daemon, many roles
hanse_proto(node hanse/node/v1/node.proto)
hanse_proto(services hanse/services/v1/services.proto)
target_link_libraries(hanse_proto_services PUBLIC hanse_proto_node)
room(node/client 6 USES codec crypto exec ledger gate market LIBS hanse_proto_node hanse_proto_services)
room(node/services 6 USES codec crypto governor telemetry ledger gxf market client
     TEST_USES kv light auction TEST_LIBS GTest::gtest)
room(node/api 6 USES codec crypto telemetry ledger gate gxf market client services
     LIBS hanse_proto_node hanse_proto_services Boost::headers Threads::Threads
     TEST_USES governor kv light auction TEST_LIBS hanse_proto_node hanse_proto_services)
room(node/roles 6 USES codec crypto logging telemetry exec blob ledger light reputation stake beacon replica market
     auction gxf router runtime client services api)
room(node/overlay 6 USES codec crypto transport peers relay nat identity reach discovery rendezvous gossip)
room(node/mixing 6 USES codec crypto light ledger router transport peers relay nat identity reach)
room(node/peering 6 USES codec crypto exec light ledger router transport peers relay nat identity reach discovery
     rendezvous lan portmap gossip overlay mixing client)
if(HANSE_TESTS)
  set_tests_properties(peering PROPERTIES PROCESSORS 2)  # eight nodes that find each other, each with a thread
endif()
room(node/load 6 USES codec crypto ledger light reputation replica auction client TEST_NEEDS hanse-bench)
program(hanse-bench node/load/main_bench.cc ROOMS load)
room(node/daemon 6 USES codec crypto config logging telemetry exec kv blob ledger light beacon replica market
     gxf router runtime pilots payload flow archive gate client services api roles transport peers relay nat identity
     reach discovery lan portmap gossip overlay mixing peering
     TEST_USES ledger reputation TEST_NEEDS hansed hanse-worker hanse-backup kind_echo)
program(hansed node/daemon/main_hansed.cc ROOMS daemon)
add_dependencies(hansed hanse-pilot)

# 7 sim: the same consensus objects in a world of faults
room(sim/check 7 USES crypto consensus)
room(sim/world 7 USES codec plugin crypto consensus check LIBS Threads::Threads TEST_NEEDS hanse-sim-mutants)
if(HANSE_TESTS)
  set_tests_properties(world PROPERTIES TIMEOUT 1800 PROCESSORS 2)  # 2,000 seeds and every planted mistake
endif()
flavour(mutants HANSE_MUTANTS=1 ROOMS consensus OVER check world)
program(hanse-sim-mutants sim/world/main_mutants.cc ROOMS world FLAVOUR mutants)
room(sim/mesh 7 USES codec plugin crypto gossip check TEST_NEEDS hanse-mesh-mutants)
flavour(mutants HANSE_MUTANTS=1 ROOMS gossip OVER mesh)
program(hanse-mesh-mutants sim/mesh/main_mesh_mutants.cc ROOMS mesh FLAVOUR mutants)
room(sim/wire 7 USES codec)
program(hanse-wire sim/wire/main_wire.cc ROOMS wire codec)
room(sim/bazaar 7 USES codec plugin crypto light gxf market ledger auction)
room(sim/mixnet 7 USES codec plugin crypto light ledger router)
room(sim/fleet 7 USES codec plugin crypto transport peers relay nat reach discovery gossip overlay check mesh wire)

# 8 cli
room(cli/rescue 8 USES codec plugin)
room(cli/inspect 8 USES codec plugin crypto journal light consensus ledger reputation stake beacon client router
     transport peers relay nat identity reach discovery lan portmap gossip overlay mixing peering)
room(cli/trade 8 USES codec plugin crypto gxf market light ledger auction payload runtime flow client roles
     TEST_USES services
     TEST_LIBS GTest::gtest)
room(cli/door 8 USES codec plugin governor gxf client services)
room(cli/verbs 8 USES codec plugin rescue trade door crypto gxf market light ledger reputation stake beacon runtime
     proof payload receipt client roles router peering inspect world bazaar mixnet fleet tlog
     LIBS CLI11::CLI11)
program(hanse cli/verbs/main_hanse.cc ROOMS verbs)
program(hanse-attest engines/tlog/main_attest.cc ROOMS verbs tlog)
program(hanse-backup cli/rescue/main_backup.cc ROOMS rescue verbs codec plugin light ledger reputation stake beacon
        archive backup auction router)
