// Spate bench - spate-bench-pubsub: publishers and subscribers on one MQTT server, any server.
//
// So many messages are under way at most that no server has a reason to drop one; each is to reach
// every subscriber. Prints what it saw as JSON.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/minimal/sockets.hpp"
#include "engine/wire/codec.hpp"

namespace spate::bench {
namespace {

using Clock = std::chrono::steady_clock;
using wire::PacketType;

constexpr std::size_t kReadBytes = 256u << 10;
constexpr std::size_t kPacketBytesMax = 1u << 20;
constexpr std::string_view kDeviceTopic = "devices/gw-0000000/telemetry";
constexpr std::size_t kDeviceDigitsAt = 11;
constexpr std::size_t kDeviceDigits = 7;
/// Messages that one publisher puts into one write.
constexpr std::uint64_t kBurst = 20;

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  std::size_t publishers = 100;
  std::size_t subscribers = 1;
  std::string filter = "#";
  unsigned qos = 0;
  std::uint64_t messages = 1'000'000;
  std::size_t payload_bytes = 100;
  std::size_t devices = 0;     ///< Whose telemetry publishers bring, in turn; 0: all to one topic.
  std::uint64_t window = 2000; ///< Messages under way.
  bool kept = false;           ///< The sessions of subscribers are.
  double patience_s = 20;      ///< Without any message.
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "spate-bench-pubsub: %s\n", why.c_str());
  std::exit(1);
}

/// Until the next line of the standard input. False: there is none.
bool await_line() {
  int byte = 0;
  do {
    byte = std::getchar();
  } while (byte != EOF && byte != '\n');
  return byte != EOF;
}

struct Client {
  int fd = -1;
  bool subscriber = false;
  bool ready = false; ///< CONNACK, of a subscriber SUBACK, came.
  std::string input;
  std::string output;
  std::uint16_t next_id = 1;
  std::uint64_t unacked = 0; ///< Of what it published.
};

class Load {
public:
  explicit Load(const Options& options)
      : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(kReadBytes) {
    wire::Publish packet;
    std::string payload(options.payload_bytes, 'x');
    packet.topic = "bench/pubsub/messages";
    if (options.devices != 0) {
      payload = R"({"temperature":21.5,"humidity":48.25,"co2":612,"battery":3.01})";
      packet.topic = kDeviceTopic;
      heard_of_.resize(options.devices);
    }
    packet.payload = payload;
    packet.qos = static_cast<std::uint8_t>(options.qos);
    packet.packet_id = options.qos != 0 ? 1 : 0;
    wire::append_publish(packet_, packet, wire::Version::v311);
    id_at_ = packet_.size() - payload.size() - 2;
    device_at_ = packet_.find(kDeviceTopic) + kDeviceDigitsAt;
  }

  int run() {
    clients_.resize(options_.publishers + options_.subscribers);
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      clients_[i].subscriber = i >= options_.publishers;
      connect(i);
    }
    while (ready_ < clients_.size()) {
      turn();
    }
    std::printf("ready\n"); // Who measures the server begins here.
    std::fflush(stdout);
    if (!await_line()) {
      give_up("nobody said go");
    }
    const auto begin = Clock::now();
    progress_ = begin;
    const std::uint64_t due = options_.messages * options_.subscribers;
    publish_all();
    while (received_ < due || acked_ < (options_.qos != 0 ? options_.messages : 0)) {
      turn();
      publish_all();
      if (Clock::now() - progress_ > std::chrono::duration<double>(options_.patience_s)) {
        break;
      }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf(
        R"({"published":%llu,"acked":%llu,"received":%llu,"due":%llu,"seconds":%.3f,)"
        R"("devices":%zu,"fewest":%llu,"most":%llu})"
        "\n",
        static_cast<unsigned long long>(published_), static_cast<unsigned long long>(acked_),
        static_cast<unsigned long long>(received_), static_cast<unsigned long long>(due), seconds,
        heard_of_.size(),
        static_cast<unsigned long long>(*std::min_element(heard_of_.begin(), heard_of_.end())),
        static_cast<unsigned long long>(*std::max_element(heard_of_.begin(), heard_of_.end())));
    std::fflush(stdout);
    static_cast<void>(await_line()); // Until the server was measured.
    return received_ == due ? 0 : 1;
  }

private:
  void connect(std::size_t index) {
    Client& client = clients_[index];
    client.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    if (::inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1 ||
        ::connect(client.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      give_up("can not connect: " + std::string(std::strerror(errno)));
    }
    const int on = 1;
    ::setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    wire::Connect packet;
    packet.clean_start = !(options_.kept && client.subscriber);
    packet.keep_alive_s = 600;
    const std::string id = "pubsub-" + std::to_string(index);
    packet.client_id = id;
    wire::append_connect(client.output, packet);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event);
    write(client);
  }

  void turn() {
    std::array<epoll_event, 512> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < count; ++i) {
      read(clients_[events[static_cast<std::size_t>(i)].data.u64]);
    }
  }

  void read(Client& client) {
    const ssize_t got = ::recv(client.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got <= 0) {
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
      }
      give_up("the server closed a connection");
    }
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (!client.input.empty()) {
      client.input.append(bytes);
      bytes = client.input;
    }
    std::size_t used = 0;
    for (;;) {
      const auto next = wire::next_frame(bytes.substr(used), kPacketBytesMax);
      if (next.status == wire::FrameStatus::partial) {
        break;
      }
      if (next.status != wire::FrameStatus::complete) {
        give_up("the server sent no MQTT");
      }
      used += next.bytes;
      take(client, next.frame);
    }
    std::string rest(bytes.substr(used));
    client.input = std::move(rest);
    write(client);
  }

  void take(Client& client, const wire::Frame& frame) {
    switch (frame.type) {
    case PacketType::connack:
      if (client.subscriber) {
        wire::Subscribe packet;
        packet.packet_id = 1;
        packet.subscriptions = {{options_.filter, static_cast<std::uint8_t>(options_.qos)}};
        wire::append_subscribe(client.output, packet, wire::Version::v311);
        break;
      }
      [[fallthrough]];
    case PacketType::suback:
      client.ready = true;
      ++ready_;
      break;
    case PacketType::publish: {
      ++received_;
      progress_ = Clock::now();
      count_device(frame);
      const unsigned qos = frame.flags >> 1 & 3u;
      if (qos != 0) {
        wire::Ack ack;
        ack.type = qos == 1 ? PacketType::puback : PacketType::pubrec;
        ack.packet_id = wire::decode_publish(frame, wire::Version::v311)->packet_id;
        wire::append_ack(client.output, ack, wire::Version::v311);
      }
      break;
    }
    case PacketType::pubrec:
    case PacketType::pubrel: {
      wire::Ack ack;
      ack.type = frame.type == PacketType::pubrec ? PacketType::pubrel : PacketType::pubcomp;
      ack.packet_id = wire::decode_ack(frame, wire::Version::v311)->packet_id;
      wire::append_ack(client.output, ack, wire::Version::v311);
      break;
    }
    case PacketType::puback:
    case PacketType::pubcomp:
      if (!client.subscriber) {
        --client.unacked;
        ++acked_;
        progress_ = Clock::now();
      }
      break;
    default:
      break;
    }
  }

  /// Each device's messages, so that one that came twice does not stand for one that did not.
  void count_device(const wire::Frame& frame) {
    if (options_.devices == 0) {
      return;
    }
    const auto packet = wire::decode_publish(frame, wire::Version::v311);
    if (!packet || packet->topic.size() != kDeviceTopic.size()) {
      give_up("the server sent another topic");
    }
    const std::string digits(packet->topic.substr(kDeviceDigitsAt, kDeviceDigits));
    ++heard_of_.at(std::strtoul(digits.c_str(), nullptr, 10));
  }

  /// The next device's digits, over those of the topic.
  void name_device(char* digits) {
    std::size_t device = next_device_++ % options_.devices;
    for (std::size_t i = kDeviceDigits; i-- > 0; device /= 10) {
      digits[i] = static_cast<char>('0' + device % 10);
    }
  }

  void publish_all() {
    for (std::size_t tried = 0; tried < options_.publishers; ++tried) {
      const std::uint64_t arrived =
          options_.subscribers != 0 ? received_ / options_.subscribers : acked_;
      const std::uint64_t room = options_.window - std::min(options_.window, published_ - arrived);
      const std::uint64_t burst = std::min({kBurst, room, options_.messages - published_});
      if (burst < std::min(kBurst, options_.messages - published_) || burst == 0) {
        return; // Whole bursts, so that every server gets the same.
      }
      Client& client = clients_[next_publisher_++ % options_.publishers];
      for (std::uint64_t i = 0; i < burst; ++i) {
        const std::size_t begin = client.output.size();
        client.output.append(packet_);
        if (options_.devices != 0) {
          name_device(client.output.data() + begin + device_at_);
        }
        if (options_.qos != 0) {
          client.output[begin + id_at_] = static_cast<char>(client.next_id >> 8);
          client.output[begin + id_at_ + 1] = static_cast<char>(client.next_id);
          client.next_id = static_cast<std::uint16_t>(client.next_id % 60'000 + 1);
          ++client.unacked;
        }
      }
      published_ += burst;
      write(client);
    }
  }

  /// Waits until all is written: little is under way.
  void write(Client& client) {
    std::string_view left = client.output;
    while (!left.empty()) {
      const ssize_t sent = ::send(client.fd, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR) {
        give_up("can not write: " + std::string(std::strerror(errno)));
      }
      left.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
    }
    client.output.clear();
  }

  const Options options_;
  const int epoll_;
  std::vector<char> buffer_;
  std::vector<Client> clients_;
  std::string packet_;
  std::size_t id_at_ = 0;
  std::size_t device_at_ = 0;
  std::size_t next_device_ = 0;
  std::vector<std::uint64_t> heard_of_ = {0}; ///< Messages of each device, with devices.
  std::size_t ready_ = 0;
  std::size_t next_publisher_ = 0;
  std::uint64_t published_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t received_ = 0;
  Clock::time_point progress_ = Clock::now();
};

} // namespace
} // namespace spate::bench

int main(int argc, char** argv) {
  spate::bench::Options options;
  CLI::App app{"Publishers and subscribers on one MQTT server. Prints \"ready\", waits for a line, "
               "prints its counts as JSON, waits for another. Exit status: 0 every message reached "
               "every subscriber, 1 not, 2 usage."};
  app.add_option("--host", options.host)->capture_default_str();
  app.add_option("--port", options.port)->capture_default_str();
  app.add_option("--publishers", options.publishers)->capture_default_str();
  app.add_option("--subscribers", options.subscribers)->capture_default_str();
  app.add_option("--filter", options.filter)->capture_default_str();
  app.add_option("--qos", options.qos, "Of publishers and subscribers")
      ->check(CLI::Range(0, 2))
      ->capture_default_str();
  app.add_option("--messages", options.messages)->capture_default_str();
  app.add_option("--payload-bytes", options.payload_bytes)->capture_default_str();
  app.add_option("--devices", options.devices,
                 "Publishers bring the telemetry of so many in turn, as gateways do (topics "
                 "devices/gw-N/telemetry, payloads of 4 numbers); 0: one topic")
      ->check(CLI::Range(0, 9'999'999))
      ->capture_default_str();
  app.add_option("--window", options.window, "Messages under way")->capture_default_str();
  app.add_flag("--kept", options.kept, "Subscribers without Clean Session");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  spate::bench::raise_descriptor_limit();
  return spate::bench::Load(options).run();
}
