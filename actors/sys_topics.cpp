#include "actors/sys_topics.hpp"

#include <cmath>
#include <cstdio>

#include "engine/wire/codec.hpp"

namespace spate::actors {

namespace {

constexpr std::string_view kPrefix = "$SYS/broker/";

model::SharedMessage message(std::string_view name, std::string payload) {
  auto made = std::make_shared<model::ApplicationMessage>();
  made->topic = std::string(kPrefix).append(name);
  made->payload = std::move(payload);
  return made;
}

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

} // namespace

void SysTopics::add_load(Messages& out, std::string_view name, Load& load,
                         std::uint64_t count) const {
  constexpr std::pair<const char*, double> kSpans[] = {
      {"/1min", 60.0}, {"/5min", 300.0}, {"/15min", 900.0}};
  constexpr double kPeriodS = static_cast<double>(kPeriodMs) / 1000;
  const double a_minute = static_cast<double>(count - load.last) * 60 / kPeriodS;
  load.last = count;
  for (std::size_t i = 0; i < 3; ++i) {
    const double kept = std::exp(-kPeriodS / kSpans[i].second);
    if (!first_) {
      load.averages[i] = load.averages[i] * kept + a_minute * (1 - kept);
    }
    out.push_back(
        message("load/" + std::string(name) + kSpans[i].first, two_digits(load.averages[i])));
  }
}

std::shared_ptr<const SysTopics::Messages> SysTopics::update(const SysFigures& figures) {
  auto next = std::make_shared<Messages>();
  const auto add = [&next](std::string_view name, std::uint64_t value) {
    next->push_back(message(name, std::to_string(value)));
  };
  next->push_back(message("version", "spate version " + figures.version));
  next->push_back(message("uptime", std::to_string(figures.uptime_s) + " seconds"));
  add("clients/connected", figures.clients_connected);
  add("clients/disconnected", figures.clients_disconnected);
  add("clients/total", figures.clients_connected + figures.clients_disconnected);
  add("subscriptions/count", figures.subscriptions);
  add("retained messages/count", figures.retained);
  add("store/messages/count", figures.queued + figures.retained);
  add("store/messages/bytes", figures.queued_bytes);
  add("heap/current", figures.rss_bytes);
  add("messages/received", figures.packets_received);
  add("bytes/received", figures.bytes_received);
  add("publish/messages/received", figures.publishes_received);
  add("publish/messages/sent", figures.publishes_sent);
  add("publish/messages/dropped", figures.publishes_dropped);
  const std::scoped_lock lock(mutex_);
  add_load(*next, "publish/received", received_, figures.publishes_received);
  add_load(*next, "publish/sent", sent_, figures.publishes_sent);
  add_load(*next, "bytes/received", bytes_, figures.bytes_received);
  add_load(*next, "connections", connects_, figures.connects);
  first_ = false;
  messages_ = next;
  return messages_;
}

SysTopics::Messages SysTopics::matching(std::string_view filter) const {
  std::shared_ptr<const Messages> all;
  {
    const std::scoped_lock lock(mutex_);
    all = messages_;
  }
  Messages out;
  for (const model::SharedMessage& each : *all) {
    if (wire::filter_takes(filter, each->topic)) {
      out.push_back(each);
    }
  }
  return out;
}

} // namespace spate::actors
