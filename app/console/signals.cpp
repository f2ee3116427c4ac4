#include "app/console/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <atomic>

#include "app/console/errors.h"
#include "attention/base/atomic_file.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

// A signal handler can reach nothing but globals: the one exception to "no mutable globals".
std::atomic<pipeline::Progress*> g_job{nullptr};
std::atomic<bool> g_signalled{false};  // since the job is there
static_assert(std::atomic<pipeline::Progress*>::is_always_lock_free);

void WriteText(const char* text) { (void)!write(STDERR_FILENO, text, strlen(text)); }

void OnCancel(int) {
  // A job that something else cancelled (nobody reads its events any more) has not had its signal yet.
  pipeline::Progress* job = g_job.load();
  if (job != nullptr && !g_signalled.exchange(true)) {
    job->Cancel();
    return;
  }
  base::RemoveAsidesInSignalHandler();
  _exit(kExitCancelled);
}

void OnBusError(int, siginfo_t* info, void*) {
  const char* path = pipeline::MappedPathAt(info->si_addr);
  base::RemoveAsidesInSignalHandler();
  WriteText("\nsparge: error: ");
  WriteText(path != nullptr ? path : "a file");
  WriteText(": became shorter, or its disk failed, while it was read\n");
  _exit(kExitFailed);
}

}  // namespace

void InstallSignalHandlers() {
  struct sigaction cancel = {};
  cancel.sa_handler = OnCancel;
  cancel.sa_flags = SA_RESTART;
  sigemptyset(&cancel.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &cancel, nullptr);
  struct sigaction hang_up = {};
  sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) sigaction(SIGHUP, &cancel, nullptr);

  struct sigaction bus = {};
  bus.sa_sigaction = OnBusError;
  bus.sa_flags = SA_SIGINFO;
  sigemptyset(&bus.sa_mask);
  sigaction(SIGBUS, &bus, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file beyond `ulimit -f` is a failed write
}

CancelOnSignal::CancelOnSignal(pipeline::Progress& progress) {
  g_signalled.store(false);
  g_job.store(&progress);
}
CancelOnSignal::~CancelOnSignal() { g_job.store(nullptr); }

}  // namespace app
