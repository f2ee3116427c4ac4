#include <X11/Xatom.h>
#include <X11/Xlib.h>

#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

// Drops files on a window as a file manager does (XDND, version 5, as its source).   x_drop TITLE PATH…
// 0 once the window said that it has them.
namespace {

constexpr long kVersion = 5;
constexpr int kPatienceMs = 20000;

class Source {
 public:
  explicit Source(Display* display)
      : display_(display),
        own_(XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, 1, 1, 0, 0, 0)),
        uri_list_(Atom_("text/uri-list")) {}

  bool Drop(Window target, const std::string& text) {
    XSetSelectionOwner(display_, Atom_("XdndSelection"), own_, CurrentTime);
    int x = 0, y = 0;
    Window child = 0;
    XTranslateCoordinates(display_, target, DefaultRootWindow(display_), 20, 20, &x, &y, &child);
    Say(target, "XdndEnter", kVersion << 24, static_cast<long>(uri_list_), 0, 0);
    Say(target, "XdndPosition", 0, (static_cast<long>(x) << 16) | y, CurrentTime,
        static_cast<long>(Atom_("XdndActionCopy")));
    bool dropped = false;
    for (int waited = 0; waited < kPatienceMs; waited += 5) {
      while (XPending(display_) > 0) {
        XEvent event;
        XNextEvent(display_, &event);
        if (event.type == SelectionRequest) Give(event.xselectionrequest, text);
        if (event.type != ClientMessage) continue;
        const XClientMessageEvent& message = event.xclient;
        if (message.message_type == Atom_("XdndStatus") && !dropped) {
          if ((message.data.l[1] & 1) == 0) return false;  // not wanted there
          Say(target, "XdndDrop", 0, CurrentTime, 0, 0);
          dropped = true;
        }
        if (message.message_type == Atom_("XdndFinished")) return dropped;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

 private:
  Atom Atom_(const char* name) { return XInternAtom(display_, name, False); }

  void Say(Window target, const char* kind, long a, long b, long c, long d) {
    XEvent event = {};
    event.xclient.type = ClientMessage;
    event.xclient.display = display_;
    event.xclient.window = target;
    event.xclient.message_type = Atom_(kind);
    event.xclient.format = 32;
    const long values[] = {static_cast<long>(own_), a, b, c, d};
    std::memcpy(event.xclient.data.l, values, sizeof values);
    XSendEvent(display_, target, False, NoEventMask, &event);
    XFlush(display_);
  }

  void Give(const XSelectionRequestEvent& request, const std::string& text) {
    XChangeProperty(display_, request.requestor, request.property, uri_list_, 8, PropModeReplace,
                    reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    XEvent reply = {};
    reply.xselection.type = SelectionNotify;
    reply.xselection.requestor = request.requestor;
    reply.xselection.selection = request.selection;
    reply.xselection.target = request.target;
    reply.xselection.property = request.property;
    reply.xselection.time = request.time;
    XSendEvent(display_, request.requestor, False, NoEventMask, &reply);
    XFlush(display_);
  }

  Display* const display_;
  const Window own_;
  const Atom uri_list_;
};

Window Find(Display* display, Window from, const std::string& title) {
  char* name = nullptr;
  const bool found = XFetchName(display, from, &name) != 0 && name != nullptr && title == name;
  if (name != nullptr) XFree(name);
  if (found) return from;
  Window root = 0, parent = 0, *children = nullptr;
  unsigned count = 0;
  if (XQueryTree(display, from, &root, &parent, &children, &count) == 0) return 0;
  Window below = 0;
  for (unsigned i = 0; i < count && below == 0; ++i) below = Find(display, children[i], title);
  if (children != nullptr) XFree(children);
  return below;
}

std::string UriOf(const std::string& path) {
  std::string uri = "file://";
  char hex[4];
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) != 0 || std::strchr("/-_.~", c) != nullptr;
    std::snprintf(hex, sizeof hex, "%%%02X", byte);
    uri += plain ? std::string(1, c) : std::string(hex);
  }
  return uri + "\r\n";
}

}  // namespace

int main(int argc, char** argv) {
  Display* const display = argc < 3 ? nullptr : XOpenDisplay(nullptr);
  if (display == nullptr) return 2;
  const Window target = Find(display, DefaultRootWindow(display), argv[1]);
  if (target == 0) return 3;
  std::string text;
  for (int i = 2; i < argc; ++i) text += UriOf(argv[i]);
  const bool taken = Source(display).Drop(target, text);
  XCloseDisplay(display);
  return taken ? 0 : 1;
}
