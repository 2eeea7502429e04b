// Messages of multicast DNS: RFC 1035 section 4 as RFC 6762 section 18 narrows it, records of RFC 6763.
//   Name      a domain name as on the wire, uncompressed; two names are the same whatever the case of their letters
//   Record    its data is kept as bytes, uncompressed where it holds a name (PTR, SRV): what RFC 6762 8.2 compares
//   Message   questions, answers, authority, additional
// Reading is strict: a compression pointer leads backwards of the name it stands in (so none loops), lengths meet, and
// a count promises no more records than there are. Records of another class than IN are passed over. Writing compresses
// names, also in PTR and SRV (RFC 6762 18.14). Limits: kMessageBytesMax, kQuestionsMax questions, kRecordsMax records
// of all sections, kNameBytesMax, kDataBytesMax. Threads: plain values. Errors: lan.dns_format (corrupt), lan.dns_limit
// (exhausted).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/bytes.h"
#include "base/core/result.h"

namespace hanse::lan {

constexpr std::size_t kMessageBytesMax = 9000 - 40 - 8;  // RFC 6762 section 17: 9000 with the headers of IPv6 and UDP
constexpr std::size_t kQuestionsMax = 64, kRecordsMax = 256;
constexpr std::size_t kNameBytesMax = 255, kLabelBytesMax = 63;
constexpr std::size_t kDataBytesMax = 2048;

class Name {
 public:
  Name() : wire_(1, '\0') {}
  // Our own names, from labels of 1 to 63 bytes; a bad one is our bug.
  static Name of(std::initializer_list<std::string_view> labels);

  const std::string& wire() const { return wire_; }
  std::string folded() const;      // lower case: equal exactly for the same name
  std::string_view label() const;  // the first; "" of the root
  Name parent() const;             // without the first label
  std::string text() const;        // with dots, for people; odd bytes as '?'
  friend bool operator==(const Name& a, const Name& b);

 private:
  friend class NameReader;
  std::string wire_;  // labels with their lengths and the root's zero
};

enum class Type : std::uint16_t { kA = 1, kPtr = 12, kTxt = 16, kAaaa = 28, kSrv = 33, kAny = 255 };

struct Question {
  Name name = {};
  Type type = Type::kAny;
  bool unicast = false;  // the QU bit: an answer to the asker alone will do
  friend bool operator==(const Question&, const Question&) = default;
};

struct Record {
  Name name = {};
  Type type = Type::kAny;
  bool flush = false;  // the cache-flush bit: there are no others of this name and type
  std::uint32_t ttl_s = 0;
  Bytes data = {};
  friend bool operator==(const Record&, const Record&) = default;
};
bool same_record(const Record& a, const Record& b);  // name, type and data; names in the data whatever their case

struct Srv {
  std::uint16_t port = 0;
  Name target = {};
};
Bytes ptr_data(const Name& target);
Bytes srv_data(const Srv& srv);
Bytes txt_data(const std::vector<std::string>& strings);  // each at most 255 bytes
std::optional<Name> ptr_of(const Record& record);
std::optional<Srv> srv_of(const Record& record);
// The value of the first string "key=value" (RFC 6763 6.4: the key in any case).
std::optional<std::string> txt_value(const Record& record, std::string_view key);

struct Message {
  std::uint16_t id = 0;  // matters to askers that are not on port 5353 (RFC 6762 6.7)
  bool response = false;
  bool truncated = false;  // more known answers follow
  std::vector<Question> questions = {};
  std::vector<Record> answers = {}, authority = {}, additional = {};
  friend bool operator==(const Message&, const Message&) = default;
};

// Nothing: a message with another opcode than QUERY or an error code, which RFC 6762 18.3 and 18.11 say to ignore.
Result<std::optional<Message>> decode_message(ByteView bytes);
Bytes encode_message(const Message& message);

}  // namespace hanse::lan
