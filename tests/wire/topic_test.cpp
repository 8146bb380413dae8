#include "engine/base/utf8.hpp"
#include "tests/wire/bytes.hpp"

namespace spate::wire::test {

namespace {

std::string levels(std::size_t count) {
  std::string topic = "a";
  for (std::size_t i = 1; i < count; ++i) {
    topic += "/a";
  }
  return topic;
}

/// Every text stands alone, deep in a long name, and at each place of the eight bytes checked at
/// once.
const std::string kNotUtf8[] = {
    "\x80",                 // A continuation byte that continues nothing.
    "\xc3",                 // Cut off.
    "\xc0\x80",             // Overlong U+0000.
    "\xc1\xbf",             // Overlong.
    "\xe0\x80\xaf",         // Overlong slash.
    "\xe0\x9f\xbf",         // Overlong.
    "\xed\xa0\x80",         // First surrogate.
    "\xed\xbf\xbf",         // Last surrogate.
    "\xf0\x8f\xbf\xbf",     // Overlong.
    "\xf4\x90\x80\x80",     // Above U+10FFFF.
    "\xf5\x80\x80\x80",     // No lead byte.
    "\xf8\x88\x80\x80\x80", // Five bytes.
    "\xfe",
    "\xff",
    "\xe2\x82",     // Cut off.
    "\xe2\x28\xa1", // A second byte that is none.
    "\xe2\x82\x28", // A third byte that is none.
};

Errc publish_refusal(std::string_view topic, Version version) {
  const std::string body = str(topic) + (version == Version::v5 ? "\0"s : ""s);
  return refused(decode_publish(frame(PacketType::publish, body), version));
}

TEST_CASE("a filter takes the topics that the standard's examples say it takes") {
  struct Case {
    const char* filter;
    const char* topic;
    bool takes;
  };
  for (const Case& c : {
           Case{"sport/tennis/player1/#", "sport/tennis/player1", true}, // MQTT-4.7.1.2
           Case{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
           Case{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
           Case{"sport/tennis/player1/#", "sport/tennis/player10", false},
           Case{"#", "sport", true},
           Case{"sport/tennis/+", "sport/tennis/player1", true}, // MQTT-4.7.1.3
           Case{"sport/tennis/+", "sport/tennis/player1/ranking", false},
           Case{"sport/+", "sport", false},
           Case{"sport/+", "sport/", true},
           Case{"+/+", "/finance", true},
           Case{"/+", "/finance", true},
           Case{"+", "/finance", false},
           Case{"#", "$SYS/uptime", false}, // MQTT-4.7.2-1
           Case{"+/monitor", "$SYS/monitor", false},
           Case{"$SYS/#", "$SYS/monitor", true},
           Case{"a", "a", true},
           Case{"a", "A", false},
           Case{"a/b", "a", false},
           Case{"a", "a/b", false},
           Case{"a/", "a", false},
           Case{"+/#", "a", true},
       }) {
    CAPTURE(c.filter);
    CAPTURE(c.topic);
    CHECK(filter_takes(c.filter, c.topic) == c.takes);
  }
}

} // namespace

TEST_CASE("bad UTF-8 is found wherever it stands in a topic") {
  for (const std::string& bad : kNotUtf8) {
    CHECK_FALSE(is_utf8(bad));
    CHECK(publish_refusal(bad, Version::v311) == Errc::malformed_packet);
    for (std::size_t before = 0; before < 20; ++before) {
      for (const std::size_t after : {0u, 1u, 9u, 200u}) {
        const std::string topic = std::string(before, 'a') + bad + std::string(after, 'b');
        CHECK_FALSE(is_utf8(topic));
        CHECK(topic_name_fault(topic) != nullptr);
        CHECK(topic_filter_fault(topic) != nullptr);
      }
    }
  }
}

TEST_CASE("U+0000 and wildcards are found wherever they stand in a topic name") {
  for (const char bad : {'\0', '+', '#'}) {
    for (std::size_t size = 1; size < 40; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string topic(size, 'a');
        topic[at] = bad;
        CHECK(topic_name_fault(topic) != nullptr);
        CHECK(publish_refusal(topic, Version::v311) == Errc::topic_invalid);
        CHECK(publish_refusal(topic, Version::v5) == Errc::topic_invalid);
      }
    }
  }
}

TEST_CASE("every ASCII byte but U+0000 and the wildcards may stand in a topic name") {
  for (int c = 1; c < 128; ++c) {
    if (c == '+' || c == '#') {
      continue;
    }
    for (std::size_t at = 0; at < 11; ++at) {
      std::string topic(11, 'x');
      topic[at] = static_cast<char>(c);
      CAPTURE(c);
      CHECK(topic_name_fault(topic) == nullptr);
    }
  }
}

TEST_CASE("UTF-8 up to its edges may stand in a topic name") {
  for (const std::string& good :
       {"\xc2\x80"s, "\xdf\xbf"s, "\xe0\xa0\x80"s, "\xed\x9f\xbf"s, "\xee\x80\x80"s,
        "\xef\xbf\xbf"s, "\xf0\x90\x80\x80"s, "\xf4\x8f\xbf\xbf"s, "\xef\xbb\xbf"s}) {
    CHECK(topic_name_fault(good) == nullptr);
    CHECK(topic_name_fault("site/K\xc3\xbchlhaus/" + good) == nullptr);
  }
}

TEST_CASE("topic names and filters have at most 128 levels and 65,535 bytes") {
  for (const auto fault : {topic_name_fault, topic_filter_fault}) {
    CHECK(fault("") != nullptr);
    CHECK(fault(levels(128)) == nullptr);
    CHECK(fault(levels(129)) != nullptr);
    CHECK(fault(levels(10000)) != nullptr);
    CHECK(fault(std::string(127, '/')) == nullptr);
    CHECK(fault(std::string(128, '/')) != nullptr);
    CHECK(fault(std::string(65535, 'a')) == nullptr);
    CHECK(fault(std::string(65536, 'a')) != nullptr);
    CHECK(fault("/") == nullptr);
    CHECK(fault("a//b/") == nullptr);
    CHECK(fault("$SYS/x") == nullptr);
  }
  CHECK(publish_refusal("", Version::v311) == Errc::topic_invalid);
  CHECK(publish_refusal("", Version::v5) == Errc::protocol_error); // No alias stands for it.
  CHECK(publish_refusal(levels(10000), Version::v5) == Errc::topic_invalid);
  CHECK(decode_publish(frame(PacketType::publish, str(std::string(65535, 'a'))), Version::v311)
            ->topic.size() == 65535);
}

TEST_CASE("a wildcard in a filter is a whole level, and # the last") {
  for (const char* good : {"#", "+", "a/#", "+/+", "/+", "+/", "a/+/b/#", "+/#", "/#", "$SYS/#"}) {
    CAPTURE(good);
    CHECK(topic_filter_fault(good) == nullptr);
  }
  for (const char* bad : {"a#", "#/a", "a/#/b", "##", "a/b#", "#b", "a+", "+a", "a/b+/c", "a/+b",
                          "++", "+#", "#+", "a/+#"}) {
    CAPTURE(bad);
    CHECK(topic_filter_fault(bad) != nullptr);
  }
}

TEST_CASE("a shared subscription has a name and a filter") {
  for (const char* good : {"$share/g/a", "$share/g/#", "$share/g/+/b", "$share/g//", "$share",
                           "$shared/x", "$share/g/$SYS/x"}) {
    CAPTURE(good);
    CHECK(topic_filter_fault(good) == nullptr);
  }
  for (const char* bad : {"$share/", "$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/#",
                          "$share/g+/a", "$share/g/a#"}) {
    CAPTURE(bad);
    CHECK(topic_filter_fault(bad) != nullptr);
  }
}

} // namespace spate::wire::test
