#include "app/gui/memory_view.h"

#include <cmath>
#include <new>

#include "app/gui/form.h"
#include "app/job/memory.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

std::string InGB(int64_t bytes) { return ShortestNumber(std::round(static_cast<double>(bytes) * 1e-8) / 10) + " GB"; }

}  // namespace

MemoryAnswer MemoryView::operator()(const MemoryQuestion& question) {
  MemoryAnswer answer;
  try {
    pipeline::RuntimeOptions options;
    options.device = question.settings.TextOr("device", "auto");
    options.dtype = question.settings.TextOr("dtype", "auto");
    const std::string key = options.device + '\n' + options.dtype;
    if (question.look || !machines_.count(key)) machines_[key] = look_at_machine_(options);
    if (question.look && look_at_device_ && machines_.at(key).cuda) answer.device = look_at_device_(options.device);
    const JobMemory memory = MemoryOf([&](std::string_view of) -> const Value& { return question.settings.at(of); },
                                      question.model, machines_.at(key));
    answer.estimate = "about " + InGB(memory.bytes) + " of memory";
    if (memory.on_device) answer.estimate += " on the device";
    if (memory.available > 0) answer.estimate += ", " + InGB(memory.available) + " available";
    if (memory.tiles) answer.estimate += "; the VAE decodes in tiles";
    if (memory.fits) return answer;
    answer.warning = "Will not fit: " + MemoryText(memory);
    for (const MemoryOffer& offer : memory.offers) {
      ui::MemoryOffer row;
      row.text = offer.text;
      row.tooltip = "Then it takes about " + InGB(offer.bytes);
      for (const auto& [setting, assignment] : offer.settings) {
        row.settings.emplace_back(setting, TypedText(assignment.value));
      }
      answer.offers.push_back(std::move(row));
    }
  } catch (const base::Error&) {
    return {};  // a device that is not there: the worker says so
  } catch (const std::bad_alloc&) {
    return {};
  }
  return answer;
}

}  // namespace app
