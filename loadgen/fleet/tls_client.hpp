// Spate - TLS below a simulated device's connection, without I/O.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

struct ssl_ctx_st;
struct ssl_st;
struct bio_st;

namespace spate::loadgen {

/// Paths of PEM files.
struct TlsOptions {
  std::string ca;               ///< Empty: the system's.
  std::string certificate, key; ///< Empty: none. {device} stands for the device.
  std::string server_name;      ///< For SNI and the check of the certificate.
  bool verify = true;
};

/// What all connections of a cohort share. Immutable; any thread.
class TlsContext {
public:
  /// Errors: file_unreadable with the file.
  static Result<std::shared_ptr<const TlsContext>> make(TlsOptions options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

private:
  friend class TlsStream;
  explicit TlsContext(TlsOptions options) : options_(std::move(options)) {}
  TlsOptions options_;
  ssl_ctx_st* context_ = nullptr;
};

/// One connection: what the device writes becomes records, and records what it reads.
/// Thread: its loop's.
class TlsStream {
public:
  /// Borrows `context`. `device` is put into the paths of certificate and key. Errors:
  /// file_unreadable.
  static Result<std::unique_ptr<TlsStream>> make(const TlsContext& context,
                                                 std::string_view device);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  [[nodiscard]] bool open() const noexcept { return open_; }
  /// The first records; and, with what came from the server, the next ones. Appends to `records`.
  /// Errors: connect_failed, with a stable phrase that says why.
  Result<void> handshake(std::string& records);
  /// Takes what the server sent; handshake() or read() follow.
  void feed(std::string_view records);
  /// Appends to `plain` what can be read. False: the server closed. Errors: connect_failed.
  Result<bool> read(std::string& plain);
  /// Takes all of `plain`, once open(). Appends to `records`.
  void write(std::string_view plain, std::string& records);

private:
  TlsStream(ssl_st* ssl, bio_st* in, bio_st* out) : ssl_(ssl), in_(in), out_(out) {}
  void take(std::string& records);
  ssl_st* ssl_;
  bio_st* in_; ///< Owned by ssl_.
  bio_st* out_;
  bool open_ = false;
};

} // namespace spate::loadgen
