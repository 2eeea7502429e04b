#include "base/core/text.h"
#include "cli/verbs/verbs.h"

#ifndef HANSE_VERSION
#error "HANSE_VERSION comes from CMake"
#endif

namespace hanse::cli {

plugin::Verb node_version_verb() {
  plugin::Verb verb = version_verb();
  verb.name = "node version";
  return verb;
}

plugin::Verb version_verb() {
  return {.name = "version",
          .summary = "print the version of this program",
          .details = {},
          .options = {},
          .run = [](const plugin::VerbArgs&, plugin::Talk&) -> Result<plugin::Answer> {
            codec::Json json = codec::Json::object();
            json.set("version", HANSE_VERSION).set("compiler", __VERSION__);
            json.set("assertions", "on").set("abi", "hanse_plugin_v1");
            return plugin::Answer{.json = std::move(json), .text = text("hanse {}", HANSE_VERSION)};
          }};
}

}  // namespace hanse::cli
