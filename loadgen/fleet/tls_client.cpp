#include "loadgen/fleet/tls_client.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "loadgen/base/texts.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kPlace = "{device}";

std::string reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "unknown reason" : text;
}

tl::unexpected<Error> unreadable(const std::string& path) {
  return fail(Errc::file_unreadable, "TLS: can not use " + path + ": " + reason());
}

bool is_address(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

} // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::make(TlsOptions options) {
  std::shared_ptr<TlsContext> made(new TlsContext(std::move(options)));
  const TlsOptions& use = made->options_;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  made->context_ = context;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  const int loaded = use.ca.empty()
                         ? SSL_CTX_set_default_verify_paths(context)
                         : SSL_CTX_load_verify_locations(context, use.ca.c_str(), nullptr);
  if (loaded != 1) {
    return unreadable(use.ca.empty() ? "the system's certificates" : use.ca);
  }
  SSL_CTX_set_verify(context, use.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  const bool own = !use.certificate.empty() && use.certificate.find(kPlace) == std::string::npos &&
                   use.key.find(kPlace) == std::string::npos;
  if (own) {
    if (SSL_CTX_use_certificate_chain_file(context, use.certificate.c_str()) != 1) {
      return unreadable(use.certificate);
    }
    if (SSL_CTX_use_PrivateKey_file(context, use.key.c_str(), SSL_FILETYPE_PEM) != 1) {
      return unreadable(use.key);
    }
  }
  return made;
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

Result<std::unique_ptr<TlsStream>> TlsStream::make(const TlsContext& context,
                                                   std::string_view device) {
  SSL* ssl = SSL_new(context.context_);
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);
  SSL_set_connect_state(ssl);
  std::unique_ptr<TlsStream> stream(new TlsStream(ssl, in, out));
  const TlsOptions& options = context.options_;
  if (!is_address(options.server_name)) {
    SSL_set_tlsext_host_name(ssl, options.server_name.c_str());
    SSL_set1_host(ssl, options.server_name.c_str());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), options.server_name.c_str());
  }
  const std::string certificate = placed(options.certificate, kPlace, device);
  if (certificate != options.certificate || options.key.find(kPlace) != std::string::npos) {
    const std::string key = placed(options.key, kPlace, device);
    if (SSL_use_certificate_chain_file(ssl, certificate.c_str()) != 1) {
      return unreadable(certificate);
    }
    if (SSL_use_PrivateKey_file(ssl, key.c_str(), SSL_FILETYPE_PEM) != 1) {
      return unreadable(key);
    }
  }
  return stream;
}

TlsStream::~TlsStream() {
  SSL_free(ssl_);
}

Result<void> TlsStream::handshake(std::string& records) {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  take(records);
  if (done == 1) {
    open_ = true;
    return {};
  }
  if (SSL_get_error(ssl_, done) == SSL_ERROR_WANT_READ) {
    return {};
  }
  const long verified = SSL_get_verify_result(ssl_);
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return fail(Errc::connect_failed, std::string("TLS: the server's certificate: ") +
                                          X509_verify_cert_error_string(verified));
  }
  return fail(Errc::connect_failed, "TLS: " + reason());
}

void TlsStream::feed(std::string_view records) {
  BIO_write(in_, records.data(), static_cast<int>(records.size()));
}

Result<bool> TlsStream::read(std::string& plain) {
  constexpr std::size_t kChunk = 16'384; // A record.
  ERR_clear_error();
  for (;;) {
    const std::size_t before = plain.size();
    plain.resize(before + kChunk);
    const int read = SSL_read(ssl_, plain.data() + before, static_cast<int>(kChunk));
    plain.resize(before + static_cast<std::size_t>(read > 0 ? read : 0));
    if (read > 0) {
      continue;
    }
    switch (SSL_get_error(ssl_, read)) {
    case SSL_ERROR_WANT_READ:
      return true;
    case SSL_ERROR_ZERO_RETURN:
      return false;
    default:
      return fail(Errc::connect_failed, "TLS: " + reason());
    }
  }
}

void TlsStream::write(std::string_view plain, std::string& records) {
  while (!plain.empty()) { // A memory BIO takes everything.
    const int written = SSL_write(ssl_, plain.data(), static_cast<int>(plain.size()));
    if (written <= 0) {
      break;
    }
    plain.remove_prefix(static_cast<std::size_t>(written));
  }
  take(records);
}

void TlsStream::take(std::string& records) {
  const std::size_t pending = BIO_ctrl_pending(out_);
  const std::size_t before = records.size();
  records.resize(before + pending);
  if (pending != 0) {
    BIO_read(out_, records.data() + before, static_cast<int>(pending));
  }
}

} // namespace spate::loadgen
