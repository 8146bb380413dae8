// Spate - reads the records of one device in time order from its tails and sealed blocks.
#pragma once

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/device_view.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// A page of `view`'s records. Repeats of a device-stamped record (same time, shape and values)
/// that the commit did not recognise are left out: the first to arrive stands. Thread: any; the
/// database stays open meanwhile. Memory: a page, a block for each series, the late blocks that
/// reach over one time, and hashes of the records that share one. Errors: storage_io,
/// storage_corrupt, storage_unavailable if it was cancelled.
Result<ScanPage> scan_device(rocksdb::DB& db, const DeviceView& view, const ScanRequest& request);

/// Adds the newest record of one series, if it has one, to `page`. Errors as scan_device().
Result<void> add_last_of_series(rocksdb::DB& db, const DeviceView& view,
                                const DeviceView::Series& series,
                                const std::function<bool()>& cancelled, ScanPage& page);

} // namespace spate::storage
