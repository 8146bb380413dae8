// Spate - a command log without a disk: a test decides when entries are logged, and whether.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/command_log.hpp"

namespace spate::actors {

class FakeCommandLog final : public storage::CommandLog {
public:
  using Status = storage::CommandLogStatus;

  bool submit(std::uint64_t ticket, storage::CommandEntry entry) override {
    if (full) {
      return false;
    }
    waiting.emplace_back(ticket, std::move(entry));
    return true;
  }
  std::uint64_t open_commands() const noexcept override { return open_; }
  std::optional<std::string> fault() const override { return broken; }
  storage::CommandLogStats stats() const override { return {}; }
  Result<std::optional<model::CommandRecord>> find(const std::string&, const Uuid&) override {
    return std::nullopt;
  }
  Result<storage::CommandPage> list(const storage::CommandQuery&) override {
    return storage::CommandPage{};
  }
  Result<void> with_database(const storage::DatabaseUser&) override { return {}; }
  void poke() override {}
  void stop() override {}

  /// Logs the entry that has waited longest, or refuses it.
  std::vector<storage::CommandReceipt> step(Status status = Status::logged) {
    auto [ticket, entry] = std::move(waiting.front());
    waiting.pop_front();
    storage::CommandReceipt receipt;
    receipt.ticket = ticket;
    receipt.status = status;
    if (status == Status::logged) {
      std::visit([&](auto& e) { apply(e, receipt); }, entry);
    }
    return {std::move(receipt)};
  }
  /// What is open and due.
  std::vector<model::CommandRecord> due(std::int64_t now_ms) const {
    std::vector<model::CommandRecord> out;
    for (const auto& [id, record] : records) {
      if (!model::is_final(record.progress.state) && record.command.expires_ms <= now_ms) {
        out.push_back(record);
      }
    }
    return out;
  }

  std::deque<std::pair<std::uint64_t, storage::CommandEntry>> waiting;
  std::map<Uuid, model::CommandRecord> records;
  std::map<std::string, std::pair<std::uint64_t, Uuid>> keys;
  bool full = false;
  std::optional<std::string> broken;

private:
  void apply(storage::CommandCreation& creation, storage::CommandReceipt& receipt) {
    if (const auto key = keys.find(creation.idempotency_key); key != keys.end()) {
      receipt.status =
          key->second.first == creation.request_hash ? Status::replayed : Status::key_reused;
      receipt.record = records.at(key->second.second);
      return;
    }
    if (creation.key_only) {
      return;
    }
    if (!creation.idempotency_key.empty()) {
      keys[creation.idempotency_key] = {creation.request_hash, creation.command.id};
    }
    records[creation.command.id] = {creation.command, {}};
    by_device_[creation.command.device].push_back(creation.command.id);
    ++open_;
  }
  void apply(storage::CommandUpdate& update, storage::CommandReceipt&) {
    const auto found = records.find(update.id);
    if (found == records.end()) {
      return;
    }
    if (model::is_final(found->second.progress.state)) {
      found->second.progress.reason = update.progress.reason;
    } else {
      found->second.progress = update.progress;
      open_ -= model::is_final(update.progress.state) ? 1 : 0;
    }
  }
  void apply(storage::CommandLoad& load, storage::CommandReceipt& receipt) {
    for (const Uuid& id : by_device_[load.device]) {
      const model::CommandRecord& record = records.at(id);
      const auto* wanted = std::get_if<Uuid>(&load.id);
      const bool fits = wanted != nullptr
                            ? *wanted == id
                            : model::alias_of(id) == std::get<std::uint32_t>(load.id) &&
                                  !model::is_final(record.progress.state);
      if (fits) {
        receipt.record = record;
      }
    }
  }
  void apply(storage::CommandPageLoad& load, storage::CommandReceipt& receipt) {
    std::map<std::pair<model::CommandPriority, Uuid>, model::CommandRecord> ordered;
    for (const Uuid& id : by_device_[load.device]) {
      const model::CommandRecord& record = records.at(id);
      if (!model::is_final(record.progress.state)) {
        ordered[{record.command.priority, id}] = record;
      }
    }
    auto at = load.after ? ordered.upper_bound(*load.after) : ordered.begin();
    for (; at != ordered.end() && receipt.page.size() < load.limit; ++at) {
      receipt.page.push_back(at->second);
    }
    receipt.more = at != ordered.end();
  }

  std::map<std::string, std::vector<Uuid>> by_device_;
  std::uint64_t open_ = 0;
};

} // namespace spate::actors
