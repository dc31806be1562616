#pragma once

// See container.cc. Returns the exit status of this process.
int RunContainer(const char* pid_file, const char* console, char** command);
