#pragma once

#include <map>
#include <string>
#include <vector>

#include "app/gui/library_index.h"

namespace app {

// What the last session knew about clips, so that the next one opens at once: $XDG_CACHE_HOME/sparge/library.json
// (~/.cache without that variable). It is only believed for files that still have the size and the times that it says.

// Where it is; "" where there is no such place.
std::string LibraryCachePath();

// By path. A file that is absent, too large, damaged or anybody's gives what can be read of it, down to nothing. Never
// throws. Ids are 0.
std::map<std::string, LibraryEntry> ReadLibraryCache(const std::string& path);

// Whole or not at all; a cache that cannot be written is none.
void WriteLibraryCache(const std::string& path, const std::vector<LibraryEntry>& entries);

}  // namespace app
