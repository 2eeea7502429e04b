// The C boundary between a host program and a plug-in (a shared library loaded with RTLD_LOCAL). C99, no Hanse types.
//
// A plug-in exports one function, hanse_plugin_entry, that returns a table which lives as long as the library. Both
// tables carry their size first-hand, so fields may be appended: a host reads a field only when `size` reaches past it.
//
// Every function answers an int:
//   HANSE_OK      done
//   HANSE_ERROR   refused or failed; where the call has a sink, it holds one encoded Error (base/plugin/error_wire.h)
//   HANSE_PANIC   the plug-in's state can no longer be trusted; the host moves it to Error
// Nothing may be thrown across this boundary. A blob is borrowed for the call. A sink copies what it is given and
// answers non-zero once its limit is reached; more writes stay refused.
// Threads: the host calls one function of one plug-in at a time, maybe from different threads. host_api functions may
// be called from any thread of the plug-in while a call is running; stop() is cheap enough to ask every microsecond.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HANSE_PLUGIN_ABI_VERSION 1u
#define HANSE_PLUGIN_ENTRY_NAME "hanse_plugin_entry"

enum { HANSE_OK = 0, HANSE_ERROR = 1, HANSE_PANIC = 2 };
enum { HANSE_LOG_DEBUG = 0, HANSE_LOG_INFO = 1, HANSE_LOG_WARN = 2, HANSE_LOG_ERROR = 3 };

typedef struct hanse_blob {
  const uint8_t* data;
  uint64_t size;
} hanse_blob;

typedef struct hanse_sink {
  void* ctx;
  int (*write)(void* ctx, const uint8_t* data, uint64_t size);
} hanse_sink;

typedef struct hanse_host_api {
  uint32_t abi;
  uint32_t size;
  void* host;
  void (*log)(void* host, int level, const char* text, uint64_t size);
  uint64_t (*mono_ns)(void* host);
  int (*stop)(void* host); /* non-zero: the running call was cancelled or its deadline passed; end soon */
} hanse_host_api;

typedef struct hanse_plugin_v1 {
  uint32_t abi;         /* HANSE_PLUGIN_ABI_VERSION */
  uint32_t size;        /* sizeof(hanse_plugin_v1) when the plug-in was compiled */
  const char* manifest; /* lines of key = "value", see plugin.h */
  int (*init)(const hanse_host_api* host, hanse_blob config, void** self); /* must not start threads */
  int (*start)(void* self);
  int (*pause)(void* self);
  int (*resume)(void* self);
  int (*stop)(void* self);
  int (*execute)(void* self, hanse_blob in, hanse_sink out, uint64_t deadline_ns); /* mono_ns; 0 = none */
  int (*save)(void* self, hanse_sink out);                                         /* may be null */
  int (*upgrade)(void* self, hanse_blob old_state, const char* old_version);       /* may be null */
  void (*destroy)(void* self);
} hanse_plugin_v1;

typedef const hanse_plugin_v1* (*hanse_plugin_entry_fn)(void);

#ifdef __cplusplus
}
#endif
