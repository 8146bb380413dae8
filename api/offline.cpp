#include "api/offline.hpp"

#include <memory>
#include <utility>

#include "api/export.hpp"
#include "api/operations.hpp"
#include "api/range_parameters.hpp"
#include "api/router.hpp"
#include "engine/http/request_reader.hpp"
#include "engine/model/device_id.hpp"

namespace spate::api {

std::string store_document(const Services& services) {
  return read_store(services).body;
}

std::string operation_document(const storage::Operation& operation) {
  return operation_response(operation, true).body;
}

Result<void> export_offline(const Services& services, std::string_view target,
                            const std::function<bool(std::string_view)>& write) {
  std::string text = "GET ";
  text.append(target).append(" HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::size_t size = text.size();
  text.append(http::Request::kBodyPaddingBytes, '\0');
  http::RequestReader reader(services.limits.http.request);
  if (reader.feed(std::string_view(text).substr(0, size)).step != http::RequestReader::Step::head) {
    return fail(Errc::usage, reader.refusal().detail);
  }
  const http::Request& request = reader.request();
  const Routed routed = route(request);
  if (routed.resource != Resource::telemetry_export) {
    return fail(Errc::usage, "this is no export");
  }
  if (const char* fault = model::device_id_fault(routed.name)) {
    return fail(Errc::usage, std::string("the device id ") + fault);
  }
  const ReadStop never;
  const auto peer = std::make_shared<http::Peer>();
  ExportQuery query;
  query.page.limit = std::make_shared<ReadLimit>(SteadyTime::max(), peer, never);
  if (const auto problem = read_export_query(request, routed.name, query)) {
    return fail(Errc::usage, problem->detail);
  }
  Export file(services, std::move(query));
  while (true) {
    const ExportPart part = file.next();
    if (!part.refusal && !part.bytes.empty() && !write(part.bytes)) {
      return {};
    }
    if (file.failure()) {
      return fail(*file.failure());
    }
    if (part.then == http::PartWriter::Then::end) {
      return {};
    }
  }
}

} // namespace spate::api
