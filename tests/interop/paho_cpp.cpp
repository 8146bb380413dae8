// Spate interop - Eclipse Paho for C++, its synchronous client: PROGRAM HOST PORT VERSION.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

#include <mqtt/client.h>

#include "tests/interop/tries.hpp"

namespace {

using spate::interop::expect;
using spate::interop::kPatienceMs;
using spate::interop::kShared;

std::string uri;
int version = MQTTVERSION_3_1_1;
std::string root;

class Client {
public:
  explicit Client(const std::string& will_topic = {})
      : client_(uri, next_id(), mqtt::create_options(version), nullptr) {
    client_.set_timeout(std::chrono::milliseconds(kPatienceMs));
    mqtt::connect_options options;
    options.set_mqtt_version(version);
    if (version == MQTTVERSION_5) {
      options.set_clean_start(true);
    } else {
      options.set_clean_session(true);
    }
    if (!will_topic.empty()) {
      options.set_will_message(mqtt::make_message(will_topic, "gone", 1, false));
    }
    client_.start_consuming();
    client_.connect(options);
  }
  ~Client() {
    try {
      client_.disconnect();
    } catch (const mqtt::exception&) {
      // The connection is gone already.
    }
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void subscribe(const std::string& filter, int qos = 1) {
    const auto answer = client_.subscribe(filter, qos);
    expect(version != MQTTVERSION_5 || static_cast<int>(answer.get_reason_codes().at(0)) == qos,
           "not subscribed to " + filter);
  }
  void publish(const std::string& topic, const std::string& payload, int qos = 1,
               bool retained = false) {
    client_.publish(mqtt::make_message(topic, payload, qos, retained));
  }
  void publish(const mqtt::const_message_ptr& message) { client_.publish(message); }
  mqtt::const_message_ptr message() {
    mqtt::const_message_ptr out;
    client_.try_consume_message_for(&out, std::chrono::milliseconds(kPatienceMs));
    expect(out != nullptr, "no message");
    return out;
  }

private:
  static std::string next_id() {
    static int number = 0;
    return "paho-cpp-" + std::to_string(getpid()) + "-" + std::to_string(number++);
  }
  mqtt::client client_;
};

void round_trip(int qos) {
  Client client;
  const std::string topic = root + "/q" + std::to_string(qos);
  client.subscribe(topic + "/+", qos);
  client.publish(topic + "/a", "hello", qos);
  const auto got = client.message();
  expect(got->get_topic() == topic + "/a" && got->to_string() == "hello" && got->get_qos() == qos &&
             !got->is_retained(),
         "another message");
}

void retained() {
  Client client;
  client.publish(root + "/kept", "kept", 1, true);
  client.subscribe(root + "/kept");
  const auto got = client.message();
  client.publish(root + "/kept", "", 1, true);
  expect(got->to_string() == "kept" && got->get_qos() == 1 && got->is_retained(),
         "another message");
}

void will() {
  const pid_t child = fork(); // Before this process has threads of the library.
  if (child == 0) {
    try {
      Client dying(root + "/will");
      sleep(2); // The watcher subscribes meanwhile.
      _exit(0); // Without a DISCONNECT.
    } catch (...) {
      _exit(1);
    }
  }
  Client watcher;
  watcher.subscribe(root + "/will");
  expect(watcher.message()->to_string() == "gone", "another message");
  waitpid(child, nullptr, 0);
}

void shared() {
  Client first;
  Client second;
  for (Client* member : {&first, &second}) {
    member->subscribe("$share/g/" + root + "/s");
    member->subscribe(root + "/end");
  }
  for (int i = 0; i < kShared; ++i) {
    first.publish(root + "/s", std::to_string(i));
  }
  first.publish(root + "/end", "end");
  std::string got;
  for (Client* member : {&first, &second}) {
    for (auto each = member->message(); each->to_string() != "end"; each = member->message()) {
      got += each->to_string();
    }
  }
  std::sort(got.begin(), got.end());
  expect(got == "0123456789", "got " + got);
}

void properties() {
  Client client;
  client.subscribe(root + "/p");
  mqtt::properties sent;
  sent.add({mqtt::property::USER_PROPERTY, "key", "value"});
  sent.add({mqtt::property::RESPONSE_TOPIC, "a/b"});
  client.publish(mqtt::message::create(root + "/p", "x", 1, false, sent));
  const mqtt::properties got = client.message()->get_properties();
  const auto user = mqtt::get<mqtt::string_pair>(got, mqtt::property::USER_PROPERTY);
  expect(std::get<0>(user) == "key" && std::get<1>(user) == "value" &&
             mqtt::get<std::string>(got, mqtt::property::RESPONSE_TOPIC) == "a/b",
         "other properties");
}

} // namespace

int main(int argc, char** argv) {
  const auto target = spate::interop::parse_target(argc, argv, "paho-cpp");
  if (!target) {
    return 2;
  }
  uri = target->uri;
  version = target->v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  root = target->root;
  return spate::interop::run({will, round_trip, retained, shared, properties}, target->v5);
}
