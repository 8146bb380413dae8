#include "loadgen/load/sensor_models.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>

#include "engine/base/hash.hpp"
#include "engine/base/utf8.hpp"
#include "loadgen/base/json_text.hpp"
#include "loadgen/base/texts.hpp"

namespace spate::loadgen {

namespace {

constexpr double kWholeMax = 9e18; ///< What a whole number of 1/scale may be.

std::string path_fault(const std::string& path) {
  if (path.size() > kSensorFieldBytesMax) {
    return "the name of a field has more than 256 bytes";
  }
  if (!is_utf8(path)) {
    return "the name of a field is not UTF-8";
  }
  const auto levels = split(path, ".");
  if (levels.size() > kSensorPathDepthMax) {
    return "the name of a field has more than 16 levels";
  }
  if (std::any_of(levels.begin(), levels.end(), [](const auto& name) { return name.empty(); })) {
    return "the name of a field is empty";
  }
  return levels.size() == 1 && levels[0] == "ts"
             ? "ts is the device's time, which every payload has"
             : "";
}

/// The whole numbers of 1/scale within [min, max].
std::pair<std::int64_t, std::int64_t> bounds_of(const SensorModel& model, double scale) {
  const auto whole = [&](double bound, double (*toward)(double)) {
    const double scaled = std::clamp(bound * scale, -kWholeMax, kWholeMax);
    const double near = std::round(scaled); // 0.29 * 100 is a hair below 29.
    return static_cast<std::int64_t>(std::abs(scaled - near) < 1e-6 ? near : toward(scaled));
  };
  return {whole(model.min, [](double x) { return std::ceil(x); }),
          whole(model.max, [](double x) { return std::floor(x); })};
}

std::string number_fault(const SensorModel& model) {
  struct Named {
    const char* name;
    double value;
  };
  for (const Named& named : std::initializer_list<Named>{{"mean", model.mean},
                                                         {"spread", model.spread},
                                                         {"amplitude", model.amplitude},
                                                         {"drift_per_h", model.drift_per_h},
                                                         {"noise", model.noise},
                                                         {"step", model.step},
                                                         {"min", model.min},
                                                         {"max", model.max}}) {
    if (!(std::abs(named.value) <= kSensorValueMax)) { // NaN neither.
      return std::string(named.name) + " is beyond 1e15";
    }
  }
  for (const Named& named : std::initializer_list<Named>{
           {"spread", model.spread}, {"noise", model.noise}, {"step", model.step}}) {
    if (named.value < 0) {
      return std::string(named.name) + " is below 0";
    }
  }
  if (model.period_ms <= 0) {
    return "period is not above 0";
  }
  if (!(model.stuck_share >= 0 && model.stuck_share <= 1)) {
    return "stuck_share is not from 0 to 1";
  }
  if (model.stuck_ms <= 0) {
    return "stuck_for is not above 0";
  }
  if (model.min > model.max) {
    return "min is above max";
  }
  const auto [least, most] = bounds_of(model, std::pow(10, model.decimals));
  return least > most ? "min and max leave no value with so many decimals" : "";
}

std::string texts_fault(const SensorModel& model) {
  if (model.values.empty()) {
    return "values is missing";
  }
  if (model.type == SensorModel::Type::text && model.values.size() != 1) {
    return "values of a text is one";
  }
  if (model.values.size() > 1024) {
    return "values has more than 1024";
  }
  for (const std::string& value : model.values) {
    if (value.size() > kSensorTextBytesMax) {
      return "values has one of more than 4096 bytes";
    }
    if (!is_utf8(value)) {
      return "values has one that is not UTF-8";
    }
  }
  return "";
}

} // namespace

std::string sensor_fault(const SensorModel& model) {
  if (std::string fault = path_fault(model.field); !fault.empty()) {
    return fault;
  }
  if (model.decimals < 0 || model.decimals > kSensorDecimalsMax) {
    return "decimals is not from 0 to 9";
  }
  if (model.hold_ms <= 0) {
    return "hold is not above 0";
  }
  switch (model.type) {
  case SensorModel::Type::number:
    return number_fault(model);
  case SensorModel::Type::counter:
    // Six decimals of a counter of a million a second last for centuries.
    return model.per_s >= 0 && model.per_s * std::pow(10, model.decimals) <= 1e6
               ? ""
               : "per_s is below 0, or with its decimals above 1e6";
  case SensorModel::Type::flag:
    return model.on_share >= 0 && model.on_share <= 1 ? "" : "on_share is not from 0 to 1";
  case SensorModel::Type::choice:
  case SensorModel::Type::text:
    return texts_fault(model);
  }
  return "type is unknown";
}

Result<SensorPayload> SensorPayload::make(const std::vector<SensorModel>& fields,
                                          std::uint64_t seed) {
  if (fields.empty() || fields.size() > kSensorFieldsMax) {
    return fail(Errc::usage, "a payload has from 1 to 256 fields");
  }
  SensorPayload made;
  for (const SensorModel& model : fields) {
    if (std::string fault = sensor_fault(model); !fault.empty()) {
      return fail(Errc::usage, "field \"" + model.field + "\": " + fault);
    }
    Field field;
    field.model = model;
    field.salt = hash_bytes(model.field, seed);
    const bool word = model.type == SensorModel::Type::flag;
    const JsonType type = word              ? JsonType::boolean
                          : field.is_text() ? JsonType::string
                                            : JsonType::number;
    field.hash_seed = hash_bytes(model.field, static_cast<std::uint64_t>(type));
    field.scale = std::pow(10, model.decimals);
    std::tie(field.least, field.most) = bounds_of(model, field.scale);
    for (const std::string& value : model.values) {
      field.quoted.push_back(quoted(value));
    }
    made.fields_.push_back(std::move(field));
  }
  if (auto laid = made.lay_out(); !laid) {
    return fail(std::move(laid.error()));
  }
  return made;
}

Result<void> SensorPayload::lay_out() {
  // An object stands where its first field does; all its fields follow it.
  struct Object {
    std::vector<std::pair<std::string, std::unique_ptr<Object>>> members;
    std::size_t field = 0; ///< Of a member that is a value (has no members).
  };
  Object root;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    Object* at = &root;
    const auto levels = split(fields_[i].model.field, ".");
    for (std::size_t level = 0; level < levels.size(); ++level) {
      const bool last = level + 1 == levels.size();
      const auto found =
          std::find_if(at->members.begin(), at->members.end(),
                       [&](const auto& member) { return member.first == levels[level]; });
      if (found == at->members.end()) {
        at->members.emplace_back(levels[level], std::make_unique<Object>());
        at = at->members.back().second.get();
        at->field = i;
      } else if (last || found->second->members.empty()) {
        return fail(Errc::usage, "field \"" + fields_[i].model.field +
                                     "\": stands twice, or is a value and an object");
      } else {
        at = found->second.get();
      }
    }
  }
  std::vector<Field> ordered;
  std::string before; // Text since the last value.
  const auto write = [&](const auto& self, const Object& object, bool first) -> void {
    for (const auto& [name, member] : object.members) {
      before.append(first ? "" : ",").append(quoted(name)).append(1, ':');
      first = false;
      if (member->members.empty()) {
        ordered.push_back(std::move(fields_[member->field]));
        ordered.back().before = std::exchange(before, {});
      } else {
        before += '{';
        self(self, *member, true);
        before += '}';
      }
    }
  };
  write(write, root, false);
  fields_ = std::move(ordered);
  after_ = before + "}";
  bytes_max_ = 6 + 13 + after_.size();
  for (const Field& field : fields_) {
    std::size_t value = kValueBytesMax;
    for (const std::string& text : field.quoted) {
      value = std::max(value, text.size());
    }
    bytes_max_ += field.before.size() + value;
  }
  return {};
}

} // namespace spate::loadgen
