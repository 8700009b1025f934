/* Copyright: Contributors to the datapath.exchange collection
 * GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Gives a command line to Wine's cmd.exe as it is. Wine would quote the arguments of a Unix program anew, so the line comes in the environment.
 */
#include <windows.h>

#define ROOM 32768
#define NO_LINE 249
#define NO_CMD 248

int main(void)
{
    static WCHAR command[ROOM + 16] = L"cmd.exe /c ";
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    DWORD code = NO_CMD, length = GetEnvironmentVariableW(L"DATAPATH_LINE", command + 11, ROOM);
    if (!length || length >= ROOM) return NO_LINE;
    SetEnvironmentVariableW(L"DATAPATH_LINE", NULL);
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) return NO_CMD;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return (int)code;
}
