#include "engine/model/device_id.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "engine/model/reject_reason.hpp"

using namespace spate::model;

TEST_CASE("texts that can not name a device are refused with a reason") {
  CHECK(std::string_view(device_id_fault("")) == "is empty");
  CHECK(std::string_view(device_id_fault(std::string(257, 'a'))) == "is longer than 256 bytes");
  CHECK(std::string_view(device_id_fault(".")) == "may not be . or ..");
  CHECK(std::string_view(device_id_fault("..")) == "may not be . or ..");
  for (const std::string_view id : {"a/b", "a+b", "#", "/"}) {
    CHECK(std::string_view(device_id_fault(id)) == "holds one of / + #");
  }
  for (const std::string_view id : {std::string_view("a\0b", 3), std::string_view("\x1f"),
                                    std::string_view("\x7f"), std::string_view("a\n")}) {
    CHECK(std::string_view(device_id_fault(id)) == "holds a control character");
  }
  CHECK(std::string_view(device_id_fault("a\xff")) == "is not UTF-8");
}

TEST_CASE("other texts are device ids") {
  for (const std::string_view id :
       {"a", "...", "iot-device-01", "urn:dev:ow:10e2073a01080063", "a b",
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "%2F", "$x", "*"}) {
    CHECK(device_id_fault(id) == nullptr);
  }
  CHECK(device_id_fault(std::string(256, 'a')) == nullptr);
}

TEST_CASE("UTF-8 is strict") {
  for (const std::string_view good :
       {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_utf8(good));
  }
  for (const std::string_view bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\xa0",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82\x41", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf0\x9f\x98", "\xff", "a\xfe"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("every reason has a name, and every name a reason") {
  for (std::size_t i = 1; i < kRejectReasons; ++i) {
    const auto reason = static_cast<RejectReason>(i);
    CHECK_FALSE(name_of(reason).empty());
    CHECK(reject_reason(name_of(reason)) == reason);
  }
  CHECK(name_of(RejectReason::none).empty());
  CHECK_FALSE(reject_reason(""));
  CHECK_FALSE(reject_reason("other"));
  CHECK(name_of(RejectReason::too_many_records) == "too-many-records");
  CHECK(name_of(RejectReason::foreign_answer) == "foreign-answer");
}
