#include "loadgen/plan.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/base/clock.hpp"
#include "engine/base/hash.hpp"
#include "engine/model/device_id.hpp"
#include "loadgen/base/texts.hpp"
#include "loadgen/load/load.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/load/replay_load.hpp"
#include "loadgen/scenario/cohort_load.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kRecorded = "{recorded}"; // A device's name in the recording.
constexpr std::uint32_t kFloodWindow = 20;
constexpr std::uint32_t kOpenLoopWindow = 1000;
constexpr std::uint64_t kFilesPerThread = 4;          // Of a loop: epoll, wake-up and libuv's own.
constexpr std::uint32_t kNamesCheckedMax = 1'000'000; // Of listed ones; a rule needs two.

Result<void> check_names(const DeviceNames& names, bool listed) {
  const auto check = [&names](std::uint32_t number) -> Result<void> {
    const std::string device = names.text(number);
    if (const char* fault = model::device_id_fault(device)) {
      return fail(Errc::usage, "the device \"" + device + "\" " + fault);
    }
    return {};
  };
  if (!listed) {
    auto first = check(0);
    return first ? check(names.size() - 1) : first;
  }
  for (std::uint32_t i = 0; i < std::min(names.size(), kNamesCheckedMax); ++i) {
    if (auto checked = check(i); !checked) {
      return checked;
    }
  }
  return {};
}

/// As the user wrote it: the name that the server's certificate has.
std::string host_of(const std::string& host_port) {
  if (host_port.front() == '[') {
    return host_port.substr(1, host_port.find(']') - 1);
  }
  return host_port.substr(0, host_port.rfind(':'));
}

/// The faults of connections that hit the cohort.
std::vector<ConnectionFault> faults_of(const Scenario& scenario, const Cohort& cohort) {
  std::vector<ConnectionFault> faults;
  for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
    const Fault& fault = scenario.faults[i];
    ConnectionFault made;
    switch (fault.kind) {
    case Fault::Kind::reconnect_storm:
      made.kind = ConnectionFault::Kind::cut;
      break;
    case Fault::Kind::slow_reader:
      made.kind = ConnectionFault::Kind::slow_read;
      break;
    case Fault::Kind::half_open:
      made.kind = ConnectionFault::Kind::half_open;
      break;
    case Fault::Kind::silent_cut:
      made.kind = ConnectionFault::Kind::silence;
      break;
    case Fault::Kind::credential_expiry:
      made.kind = ConnectionFault::Kind::wrong_credentials;
      break;
    default:
      continue; // Of messages.
    }
    // Half-open connections belong to no device: the first cohort opens them, once.
    const bool first = &cohort == scenario.cohorts.data();
    if (fault.cohort.empty() ? made.kind == ConnectionFault::Kind::half_open && !first
                             : fault.cohort != cohort.name) {
      continue;
    }
    made.at_ns = fault.at_ns;
    made.until_ns = fault.duration_ns == 0 ? Load::kNever : fault.at_ns + fault.duration_ns;
    made.share = fault.share;
    made.seed = scenario.seed + 1000 * (i + 1);
    made.back_within_ns = fault.back_within_ns;
    made.bytes_per_s = fault.bytes_per_s;
    made.count = fault.count;
    faults.push_back(made);
  }
  return faults;
}

/// All that may be open at a time: faults add to the devices'.
std::uint64_t connections_of(const Scenario& scenario, const FleetPlan& plan) {
  double sum = static_cast<double>(plan.connections());
  for (const Fault& fault : scenario.faults) {
    sum += fault.kind == Fault::Kind::half_open ? fault.count : 0;
    for (const CohortPlan& cohort : plan.cohorts) {
      const bool left = fault.kind == Fault::Kind::silent_cut &&
                        (fault.cohort.empty() || fault.cohort == cohort.name);
      sum += left ? std::ceil(fault.share * cohort.clients.size()) : 0; // Old beside new.
    }
  }
  return static_cast<std::uint64_t>(sum);
}

GroupPlan group_of(const Scenario& scenario, const Cohort& cohort) {
  GroupPlan group;
  SessionOptions& session = group.session;
  session.version = cohort.mqtt == 5 ? wire::Version::v5 : wire::Version::v311;
  session.qos = static_cast<std::uint8_t>(cohort.qos);
  session.clean = cohort.clean;
  session.keep_alive_s = cohort.keep_alive_s;
  session.window = window_of(cohort);
  session.topic = TopicTemplate(cohort.topic);
  session.user = TopicTemplate(cohort.user);
  session.password = TopicTemplate(cohort.password);
  session.commands = cohort.answer_after_ns >= 0;
  session.subscribe = TopicTemplate(session.commands ? kCommandFilter : cohort.subscribe);
  session.subscribe_qos =
      session.commands ? std::uint8_t{1} : static_cast<std::uint8_t>(cohort.subscribe_qos);
  group.answer_after_ns = std::max<std::int64_t>(cohort.answer_after_ns, 0);
  group.answer_jitter_ns = cohort.answer_jitter_ns;
  group.reconnect = cohort.reconnect;
  group.connect_timeout_ns = scenario.connect_timeout_ns;
  group.connects_per_s = cohort.connects_per_s;
  group.seed = scenario.seed;
  group.faults = faults_of(scenario, cohort);
  return group;
}

} // namespace

std::uint32_t window_of(const Cohort& cohort) noexcept {
  if (cohort.window != 0) {
    return cohort.window;
  }
  return cohort.pace.kind == Pace::Kind::flood || (cohort.qos == 2 && cohort.mqtt == 3)
             ? kFloodWindow
             : kOpenLoopWindow;
}

/// What the loads of one cohort borrow.
struct PlannedRun::Source {
  /// Models that the scenario names so, else templates.
  Result<void> make_payloads(const Scenario& scenario, const Cohort& cohort) {
    for (const NamedModels& models : scenario.payloads) {
      if (models.name == cohort.payload) {
        auto made = SensorPayload::make(models.fields, hash_bytes(cohort.name, scenario.seed));
        if (!made) {
          return fail(std::move(made.error()));
        }
        sensors = std::move(*made);
        return {};
      }
    }
    auto loaded = load_templates(cohort.payload, scenario.seed);
    if (!loaded) {
      return fail(std::move(loaded.error()));
    }
    templates = std::move(*loaded);
    return {};
  }
  [[nodiscard]] PayloadSource payloads() const {
    return sensors ? PayloadSource(*sensors) : PayloadSource(templates);
  }

  std::vector<Template> templates;
  std::optional<SensorPayload> sensors;
  ReplayIndex index;
  std::vector<ReplayQueue> queues;
  std::unique_ptr<ReplayReader> reader;
};

PlannedRun::~PlannedRun() = default;

Result<void> PlannedRun::add(const Scenario& scenario, const Cohort& cohort,
                             const std::string& server_name, std::uint32_t threads) {
  Source& source = *sources_.emplace_back(std::make_unique<Source>());
  CohortPlan& planned = plan_.cohorts.emplace_back();
  planned.name = cohort.name;
  planned.members = cohort.devices_per_connection;
  const bool recorded = cohort.pace.kind == Pace::Kind::recorded;
  const std::string rule = placed(cohort.device, "{cohort}", cohort.name);
  if (recorded) {
    auto index = index_replay(cohort.replay->file);
    if (!index) {
      return fail(std::move(index.error()));
    }
    source.index = std::move(*index);
    planned.members = 1;
    if (rule.find(kRecorded) == std::string::npos) { // Other names, by number.
      planned.names =
          DeviceNames(rule, cohort.first, static_cast<std::uint32_t>(source.index.devices.size()));
    } else {
      std::vector<std::string> names;
      for (const std::string& device : source.index.devices) {
        names.push_back(placed(rule, kRecorded, device));
      }
      planned.names = DeviceNames(std::move(names));
    }
  } else {
    planned.names = DeviceNames(rule, cohort.first, cohort.devices);
  }
  if (auto checked = check_names(planned.names, recorded); !checked) {
    return checked;
  }
  if (planned.members > 1) {
    const std::uint32_t gateways = (planned.names.size() + planned.members - 1) / planned.members;
    const std::string client =
        cohort.client_id == "{device}" ? "{cohort}-gateway-{n}" : cohort.client_id;
    planned.clients = DeviceNames(placed(client, "{cohort}", cohort.name),
                                  cohort.first / planned.members, gateways);
  } else if (cohort.client_id == "{device}") {
    planned.clients = planned.names;
  } else if (recorded) {
    std::vector<std::string> clients;
    for (std::uint32_t i = 0; i < planned.names.size(); ++i) {
      clients.push_back(placed(cohort.client_id, "{device}", planned.names.text(i)));
    }
    planned.clients = DeviceNames(std::move(clients));
  } else {
    planned.clients =
        DeviceNames(placed(placed(cohort.client_id, "{device}", rule), "{cohort}", cohort.name),
                    cohort.first, cohort.devices);
  }
  planned.group = group_of(scenario, cohort);
  if (cohort.tls || scenario.target.starts_with("mqtts://")) {
    const TlsPlan plan = cohort.tls.value_or(TlsPlan{});
    TlsOptions tls{plan.ca, plan.certificate, plan.key,
                   plan.server_name.empty() ? server_name : plan.server_name, plan.verify};
    auto context = TlsContext::make(std::move(tls));
    if (!context) {
      return fail(std::move(context.error()));
    }
    planned.tls = std::move(*context);
  }

  if (recorded) {
    const ReplaySource& replay = *cohort.replay;
    const bool paced = replay.speed > 0;
    source.queues = std::vector<ReplayQueue>(std::min(threads, planned.names.size()));
    source.reader =
        std::make_unique<ReplayReader>(ReplayPlan{replay.file, replay.speed, replay.loop,
                                                  replay.shift_to_now, replay.form, wall_ms()},
                                       source.index, source.queues);
    planned.make_load = [&source, paced](const DeviceShare& share) {
      return std::make_unique<ReplayLoad>(source.queues[share.first], paced);
    };
    messages_ += replay.loop ? 0 : source.index.messages;
    if (paced && !replay.loop) {
      duration_s_ =
          std::max(duration_s_, static_cast<double>(source.index.last_ts - source.index.first_ts) /
                                    1e3 / replay.speed);
    }
    return {};
  }
  if (cohort.pace.kind == Pace::Kind::idle) {
    return {};
  }
  if (auto made = source.make_payloads(scenario, cohort); !made) {
    return made;
  }
  GeneratedPlan generated;
  generated.closed_loop = cohort.pace.kind == Pace::Kind::flood;
  if (!generated.closed_loop) {
    auto curve = rate_curve_of(cohort, scenario.stages);
    if (!curve) {
      return fail(std::move(curve.error()));
    }
    generated.curve = std::make_shared<const RateCurve>(std::move(*curve));
  }
  generated.arrival = cohort.pace.arrival;
  generated.count_max = cohort.messages;
  generated.seed = hash_bytes(cohort.name, scenario.seed);
  generated.faults = message_faults_of(scenario, cohort);
  planned.make_load = [&source, generated](const DeviceShare& share) {
    return std::make_unique<GeneratedLoad>(generated, share, source.payloads());
  };
  messages_ += cohort.messages;
  return {};
}

Result<std::unique_ptr<PlannedRun>> PlannedRun::make(const Scenario& scenario,
                                                     const RunSettings& settings) {
  std::unique_ptr<PlannedRun> run(new PlannedRun);
  FleetPlan& plan = run->plan_;
  auto target =
      target_of(settings.agents.empty() ? scenario.target : split_targets(scenario.target).front());
  if (!target) {
    return fail(std::move(target.error()));
  }
  auto address = resolve(target->host_port, target->tls ? 8883 : 1883);
  if (!address) {
    return fail(std::move(address.error()));
  }
  auto sources = SourcePool::parse(settings.sources, *address);
  if (!sources) {
    return fail(std::move(sources.error()));
  }
  plan.target = *address;
  plan.sources = *sources;
  plan.threads = settings.threads;
  plan.precise = settings.precise;
  plan.drain_ns = scenario.drain_ns;
  std::int64_t load_ns = 0;
  bool endless = scenario.stages.empty();
  for (const Stage& stage : scenario.stages) {
    (stage.measured ? plan.duration_ns : plan.warm_up_ns) += stage.duration_ns;
    load_ns += stage.duration_ns;
    endless |= stage.measured && stage.duration_ns == 0;
  }
  if (endless) {
    plan.duration_ns = 0;
  } else {
    run->duration_s_ = static_cast<double>(load_ns) / 1e9;
  }
  plan.cohorts.reserve(scenario.cohorts.size()); // Loads know their cohort.
  for (const Cohort& cohort : scenario.cohorts) {
    if (auto added = run->add(scenario, cohort, host_of(target->host_port), settings.threads);
        !added) {
      return fail(std::move(added.error()));
    }
    if (scenario.commands && scenario.commands->cohort == cohort.name) {
      plan.commanded = plan.cohorts.size() - 1;
    }
  }
  if (!settings.agents.empty()) {
    return run; // They look for room.
  }
  const std::uint64_t beside =
      kFilesPerThread * (std::uint64_t{settings.threads} + settings.receive_connections) +
      settings.receive_connections + (scenario.commands ? scenario.commands->connections_max : 0);
  if (auto room = make_room(connections_of(scenario, plan), beside); !room) {
    return fail(std::move(room.error()));
  }
  return run;
}

std::string PlannedRun::fault() {
  for (auto& source : sources_) {
    if (source->reader) {
      source->reader->stop();
      if (std::string fault = source->reader->fault(); !fault.empty()) {
        return fault;
      }
    }
  }
  return {};
}

} // namespace spate::loadgen
