#include "loadgen/commands/command_load.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <numeric>
#include <utility>

#include "loadgen/base/json_text.hpp"
#include "loadgen/fleet/stats.hpp"

namespace spate::loadgen {

namespace {

constexpr std::size_t kWordBytesMax = 64; // Of a state or a code; longer ones are none.

std::string word_of(const JsonSpan& span) {
  if (span.type != JsonType::string || span.text.size() > kWordBytesMax) {
    return {};
  }
  return std::string(span.text.substr(1, span.text.size() - 2));
}

void read_command(std::string_view object, CommandBody& body) {
  std::vector<JsonSpan> members;
  if (!json_members(object, members)) {
    return;
  }
  for (const JsonSpan& span : members) {
    if (span.key == "state") {
      body.state = word_of(span);
    } else if (span.key == "timings" && span.type == JsonType::object) {
      std::vector<JsonSpan> timings;
      if (!json_members(span.text, timings)) {
        continue;
      }
      for (const JsonSpan& time : timings) {
        if (time.key == "total_us" && time.type == JsonType::number) {
          std::from_chars(time.text.data(), time.text.data() + time.text.size(), body.total_us);
        }
      }
    }
  }
}

/// What the codes mean, for people who have not read the API.
std::string_view meaning_of(std::string_view code) noexcept {
  constexpr std::pair<std::string_view, std::string_view> kMeanings[] = {
      {"device-not-found", "the node has never seen the device"},
      {"device-offline", "the device is not connected, or did not subscribe to its commands"},
      {"command-queue-full", "the device or the node has as many open commands as it may"},
      {"command-wait-timeout", "the wait ended before the device had answered"},
  };
  for (const auto& [known, meaning] : kMeanings) {
    if (known == code) {
      return meaning;
    }
  }
  return {};
}

} // namespace

CommandBody parse_command_body(std::string_view text) {
  CommandBody body;
  std::vector<JsonSpan> members;
  if (!json_members(text, members)) {
    return body;
  }
  std::string_view inner;
  for (const JsonSpan& span : members) {
    if (span.key == "code") {
      body.code = word_of(span);
    } else if (span.key == "command" && span.type == JsonType::object) {
      inner = span.text;
    }
  }
  read_command(inner.empty() ? text : inner, body);
  return body;
}

CommandLoad::CommandLoad(CommandLoadPlan plan, CommandPort& port)
    : plan_(plan), port_(port), schedule_(plan.arrival, plan.rate, 0, plan.seed),
      random_(plan.seed + 1), order_(plan.devices), at_(plan.devices) {
  assert(plan.devices > 0 && plan.rate > 0);
  std::iota(order_.begin(), order_.end(), 0u);
}

void CommandLoad::begin(std::int64_t start_ns, std::int64_t measure_from_ns) {
  schedule_ = Schedule(plan_.arrival, plan_.rate, start_ns, plan_.seed);
  measure_from_ns_ = measure_from_ns;
  begun_ = true;
}

void CommandLoad::stop(std::int64_t end_ns) {
  end_ns_ = std::min(end_ns_, end_ns);
}

std::uint32_t CommandLoad::next_device() {
  if (at_ == order_.size()) {
    for (std::size_t i = order_.size(); i > 1; --i) {
      std::swap(order_[i - 1], order_[random_.next() % i]);
    }
    at_ = 0;
  }
  return order_[at_++];
}

void CommandLoad::tick(std::int64_t now_ns) {
  for (int posts = 0; posts < kPostsPerTickMax; ++posts) {
    const std::int64_t due_ns = schedule_.next_ns();
    if (ended() || due_ns > now_ns) {
      behind_ = false;
      return;
    }
    if (!port_.can_post()) {
      behind_ = true;
      return;
    }
    if (!behind_ && due_ns >= measure_from_ns_) {
      stats_.lag.record(static_cast<std::uint64_t>(now_ns - due_ns));
    }
    schedule_.pop();
    ++stats_.posted;
    ++in_flight_;
    port_.post({next_device(), stats_.posted, due_ns, now_ns});
  }
}

void CommandLoad::error(std::string reason) {
  auto found = stats_.errors.find(reason);
  if (found == stats_.errors.end()) {
    const bool room = stats_.errors.size() < kErrorReasonsMax;
    found = stats_.errors.emplace(room ? std::move(reason) : "other", 0).first;
  }
  ++found->second;
}

void CommandLoad::on_reply(const CommandPost& post, const CommandReply& reply,
                           std::int64_t now_ns) {
  assert(in_flight_ > 0);
  --in_flight_;
  if (reply.status == 0) {
    ++stats_.lost;
    error("no HTTP answer: " + std::string(reply.fault));
    return;
  }
  ++stats_.statuses[reply.status];
  const CommandBody body = parse_command_body(reply.body);
  if (!body.state.empty()) {
    const bool room = stats_.states.size() < kErrorReasonsMax;
    ++stats_.states[room ? body.state : "other"];
  }
  const bool ended = reply.status == 200 && body.state == "SUCCEEDED";
  if (ended) {
    ++stats_.succeeded;
  } else {
    std::string text = "HTTP " + std::to_string(reply.status);
    text += body.code.empty() ? "" : " " + body.code;
    text += body.state.empty() ? "" : ", the command is " + body.state;
    const std::string_view meaning = meaning_of(body.code);
    text += meaning.empty() ? "" : " (" + std::string(meaning) + ")";
    error(std::move(text));
  }
  // A refusal is quick and says nothing of how long a command takes; one that was waited for in
  // vain took at least so long.
  const bool timed = (reply.status == 200 && !body.state.empty()) || reply.status == 504;
  if (timed && post.intended_ns >= measure_from_ns_) {
    ++stats_.measured;
    stats_.latency.record(static_cast<std::uint64_t>(now_ns - post.intended_ns));
    stats_.service.record(static_cast<std::uint64_t>(now_ns - post.sent_ns));
    if (ended && body.total_us >= 0) {
      stats_.node.record(static_cast<std::uint64_t>(body.total_us) * 1000);
    }
  }
}

void CommandLoad::finish() {
  if (!ended()) {
    stats_.unsent +=
        end_ns_ == Load::kNever ? 0 : schedule_.due_before(end_ns_) - schedule_.popped();
    end_ns_ = 0;
  }
}

std::int64_t CommandLoad::next_ns() const {
  return ended() || !port_.can_post() ? Load::kNever : schedule_.next_ns();
}

bool CommandLoad::drained() const {
  return ended() && in_flight_ == 0;
}

} // namespace spate::loadgen
