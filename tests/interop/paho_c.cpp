// Spate interop - Eclipse Paho for C, its synchronous client: PROGRAM HOST PORT VERSION.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include <MQTTClient.h>

#include "tests/interop/tries.hpp"

namespace {

using spate::interop::expect;
using spate::interop::kPatienceMs;
using spate::interop::kShared;

std::string uri;
bool v5 = false;
std::string root;

struct Message {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool retained = false;
  std::string user_property; ///< Value of the first one.
  std::string response_topic;
};

std::string text_of(const MQTTProperty* property) {
  return property == nullptr ? std::string()
                             : std::string(property->value.data.data,
                                           static_cast<std::size_t>(property->value.data.len));
}

class Client {
public:
  explicit Client(const std::string& will_topic = {}) {
    static int number = 0;
    const std::string id = "paho-c-" + std::to_string(getpid()) + "-" + std::to_string(number++);
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    create.MQTTVersion = v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    expect(MQTTClient_createWithOptions(&handle_, uri.c_str(), id.c_str(),
                                        MQTTCLIENT_PERSISTENCE_NONE, nullptr,
                                        &create) == MQTTCLIENT_SUCCESS,
           "create");
    MQTTClient_connectOptions five = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions old = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions& options = v5 ? five : old;
    options.MQTTVersion = create.MQTTVersion;
    (v5 ? options.cleanstart : options.cleansession) = 1;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    will.topicName = will_topic.c_str();
    will.message = "gone";
    will.qos = 1;
    options.will = will_topic.empty() ? nullptr : &will;
    if (v5) {
      const MQTTResponse answer = MQTTClient_connect5(handle_, &options, nullptr, nullptr);
      expect(answer.reasonCode == MQTTREASONCODE_SUCCESS, "no connection");
      MQTTResponse_free(answer);
    } else {
      expect(MQTTClient_connect(handle_, &options) == MQTTCLIENT_SUCCESS, "no connection");
    }
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() {
    if (v5) {
      MQTTClient_disconnect5(handle_, 1000, MQTTREASONCODE_SUCCESS, nullptr);
    } else {
      MQTTClient_disconnect(handle_, 1000);
    }
    MQTTClient_destroy(&handle_);
  }

  void subscribe(const std::string& filter, int qos = 1) {
    if (v5) {
      const MQTTResponse answer =
          MQTTClient_subscribe5(handle_, filter.c_str(), qos, nullptr, nullptr);
      expect(static_cast<int>(answer.reasonCode) == qos, "not subscribed to " + filter);
      MQTTResponse_free(answer);
    } else {
      expect(MQTTClient_subscribe(handle_, filter.c_str(), qos) == MQTTCLIENT_SUCCESS,
             "not subscribed to " + filter);
    }
  }
  void publish(const std::string& topic, std::string payload, int qos = 1, bool retained = false,
               MQTTProperties* properties = nullptr) {
    MQTTClient_message message = MQTTClient_message_initializer;
    message.payload = payload.data();
    message.payloadlen = static_cast<int>(payload.size());
    message.qos = qos;
    message.retained = retained ? 1 : 0;
    if (properties != nullptr) {
      message.properties = *properties;
    }
    MQTTClient_deliveryToken token = 0;
    if (v5) {
      const MQTTResponse answer =
          MQTTClient_publishMessage5(handle_, topic.c_str(), &message, &token);
      expect(answer.reasonCode == MQTTREASONCODE_SUCCESS, "not published");
      MQTTResponse_free(answer);
    } else {
      expect(MQTTClient_publishMessage(handle_, topic.c_str(), &message, &token) ==
                 MQTTCLIENT_SUCCESS,
             "not published");
    }
    expect(qos == 0 ||
               MQTTClient_waitForCompletion(handle_, token, kPatienceMs) == MQTTCLIENT_SUCCESS,
           "no acknowledgement");
  }
  Message message() {
    char* topic = nullptr;
    int topic_bytes = 0;
    MQTTClient_message* message = nullptr;
    MQTTClient_receive(handle_, &topic, &topic_bytes, &message, kPatienceMs);
    expect(message != nullptr, "no message");
    Message out;
    out.topic = topic;
    out.payload.assign(static_cast<const char*>(message->payload),
                       static_cast<std::size_t>(message->payloadlen));
    out.qos = message->qos;
    out.retained = message->retained != 0;
    out.response_topic =
        text_of(MQTTProperties_getProperty(&message->properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC));
    if (const MQTTProperty* user =
            MQTTProperties_getProperty(&message->properties, MQTTPROPERTY_CODE_USER_PROPERTY)) {
      out.user_property.assign(user->value.value.data,
                               static_cast<std::size_t>(user->value.value.len));
    }
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return out;
  }

private:
  MQTTClient handle_ = nullptr;
};

void round_trip(int qos) {
  Client client;
  const std::string topic = root + "/q" + std::to_string(qos);
  client.subscribe(topic + "/+", qos);
  client.publish(topic + "/a", "hello", qos);
  const Message got = client.message();
  expect(got.topic == topic + "/a" && got.payload == "hello" && got.qos == qos && !got.retained,
         "another message");
}

void retained() {
  Client client;
  client.publish(root + "/kept", "kept", 1, true);
  client.subscribe(root + "/kept");
  const Message got = client.message();
  client.publish(root + "/kept", "", 1, true);
  expect(got.payload == "kept" && got.qos == 1 && got.retained, "another message");
}

void will() {
  const pid_t child = fork(); // Before this process has threads of the library.
  if (child == 0) {
    int status = 1;
    try {
      Client dying(root + "/will");
      sleep(2); // The watcher subscribes meanwhile.
      status = 0;
      _exit(status); // Without a DISCONNECT.
    } catch (...) {
      _exit(status);
    }
  }
  Client watcher;
  watcher.subscribe(root + "/will");
  expect(watcher.message().payload == "gone", "another message");
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
    for (Message each = member->message(); each.payload != "end"; each = member->message()) {
      got += each.payload;
    }
  }
  std::sort(got.begin(), got.end());
  expect(got == "0123456789", "got " + got);
}

void properties() {
  Client client;
  client.subscribe(root + "/p");
  MQTTProperties sent = MQTTProperties_initializer;
  MQTTProperty user{};
  user.identifier = MQTTPROPERTY_CODE_USER_PROPERTY;
  char key[] = "key";
  char value[] = "value";
  user.value.data = {3, key};
  user.value.value = {5, value};
  MQTTProperties_add(&sent, &user);
  MQTTProperty response{};
  response.identifier = MQTTPROPERTY_CODE_RESPONSE_TOPIC;
  char topic[] = "a/b";
  response.value.data = {3, topic};
  MQTTProperties_add(&sent, &response);
  client.publish(root + "/p", "x", 1, false, &sent);
  const Message got = client.message();
  MQTTProperties_free(&sent);
  expect(got.user_property == "value" && got.response_topic == "a/b", "other properties");
}

} // namespace

int main(int argc, char** argv) {
  const auto target = spate::interop::parse_target(argc, argv, "paho-c");
  if (!target) {
    return 2;
  }
  uri = target->uri;
  v5 = target->v5;
  root = target->root;
  return spate::interop::run({will, round_trip, retained, shared, properties}, target->v5);
}
