// A folder for copies that goes away with the object, whatever happened. Private to the room.
#pragma once

#include <filesystem>
#include <string>

#include "base/core/fs.h"

namespace hanse::backup {

class WorkFolder {
 public:
  static Result<WorkFolder> make(Fs& fs, const std::string& parent, const std::string& name) {
    TRY(const bool there, fs.exists(parent));
    TRY_OK(fs.mkdir(parent));
    WorkFolder folder(parent + "/" + name, there ? std::string() : parent);
    std::error_code ignored;
    std::filesystem::remove_all(folder.path_, ignored);  // left by a process that was killed
    TRY_OK(fs.mkdir(folder.path_));
    return folder;
  }
  WorkFolder(WorkFolder&& other) noexcept : path_(std::move(other.path_)), made_(std::move(other.made_)) {
    other.path_.clear();
    other.made_.clear();
  }
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    if (!made_.empty()) std::filesystem::remove(made_, ignored);  // when nothing else is in it
  }
  const std::string& path() const { return path_; }

 private:
  WorkFolder(std::string path, std::string made) : path_(std::move(path)), made_(std::move(made)) {}
  std::string path_, made_;  // made_: the parent, when it was not there before
};

}  // namespace hanse::backup
