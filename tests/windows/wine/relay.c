/* Copyright: Contributors to the datapath.exchange collection
 * GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stands where a program of Windows should be that Wine lacks. It tells the server on loopback under which name it was started, with which exact command
 * line, and then does what the server says, one line at a time. Started as agent.exe it stays, and does the server's work in Wine's registry.
 *
 * Fields are separated by blanks; texts are the hexadecimal digits of their UTF-16 code units, data those of its bytes, "-" is empty.
 */
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 6
#define NO_SERVER 251
#define NO_SENSE 252

static SOCKET server;
static char *pending, *current;
static size_t held, room;

static void *need(void *memory)
{
    if (!memory) exit(NO_SENSE);
    return memory;
}

static void send_all(const char *text, size_t length)
{
    while (length) {
        int sent = send(server, text, length > 65536 ? 65536 : (int)length, 0);
        if (sent <= 0) exit(NO_SERVER);
        text += sent;
        length -= sent;
    }
}

static void say(const char *text)
{
    send_all(text, strlen(text));
}

static void say_number(unsigned long number)
{
    char text[16];
    sprintf(text, "%lu\n", number);
    say(text);
}

static void say_bytes(const void *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    char *text = need(malloc(2 * length + 2)), *end = text;
    if (!length) *end++ = '-';
    for (size_t i = 0; i < length; i++) {
        *end++ = digits[bytes[i] >> 4];
        *end++ = digits[bytes[i] & 15];
    }
    send_all(text, end - text);
    free(text);
}

static void say_text(const WCHAR *text)
{
    say_bytes(text, sizeof(WCHAR) * lstrlenW(text));
}

/* The next line of the server, without its end. */
static char *line(void)
{
    char *end;
    while (!(end = held ? memchr(pending, '\n', held) : NULL)) {
        if (held + 65536 > room) pending = need(realloc(pending, room = 2 * room + 131072));
        int got = recv(server, pending + held, 65536, 0);
        if (got <= 0) exit(NO_SERVER);
        held += got;
    }
    size_t length = end - pending;
    current = need(realloc(current, length + 1));
    memcpy(current, pending, length);
    current[length] = 0;
    held -= length + 1;
    memmove(pending, end + 1, held);
    return current;
}

/* Bytes of a field, with two zero bytes more, so that they may be used as a text. */
static BYTE *bytes(const char *field, DWORD *length)
{
    size_t count = strcmp(field, "-") ? strlen(field) / 2 : 0;
    BYTE *data = need(calloc(count + 2, 1));
    for (size_t i = 0; i < count; i++) {
        char pair[3] = {field[2 * i], field[2 * i + 1], 0};
        data[i] = (BYTE)strtoul(pair, NULL, 16);
    }
    if (length) *length = (DWORD)count;
    return data;
}

static WCHAR *text(const char *field)
{
    return (WCHAR *)bytes(field, NULL);
}

static void write_to(DWORD which, const char *field)
{
    DWORD length, done;
    BYTE *data = bytes(field, &length);
    for (DWORD at = 0; at < length; at += done)
        if (!WriteFile(GetStdHandle(which), data + at, length - at, &done, NULL) || !done) break;
    free(data);
}

static void read_input(void)
{
    size_t length = 0, size = 65536;
    char *data = need(malloc(size));
    DWORD got;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), data + length, (DWORD)(size - length), &got, NULL) && got)
        if ((length += got) == size) data = need(realloc(data, size *= 2));
    say_bytes(data, length);
    say("\n");
    free(data);
}

/* Run a command line with our own three handles; say its exit code. */
static void run(const char *field)
{
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    DWORD code = 9009;
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (CreateProcessW(NULL, text(field), NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) {
        WaitForSingleObject(process.hProcess, INFINITE);
        GetExitCodeProcess(process.hProcess, &code);
    }
    say_number(code);
}

static HKEY root_of(const char *field)
{
    return *field == 'U' ? HKEY_USERS : HKEY_LOCAL_MACHINE;
}

static LONG set_value(char **field)
{
    DWORD length;
    HKEY key;
    LONG error = RegCreateKeyExW(root_of(field[1]), text(field[2]), 0, NULL, 0, KEY_ALL_ACCESS | KEY_WOW64_64KEY, NULL, &key, NULL);
    if (error) return error;
    BYTE *data = bytes(field[5], &length);
    error = RegSetValueExW(key, text(field[3]), 0, strtoul(field[4], NULL, 10), data, length);
    RegCloseKey(key);
    free(data);
    return error;
}

static LONG create_key(char **field)
{
    HKEY key;
    LONG error = RegCreateKeyExW(root_of(field[1]), text(field[2]), 0, NULL, 0, KEY_ALL_ACCESS | KEY_WOW64_64KEY, NULL, &key, NULL);
    if (!error) RegCloseKey(key);
    return error;
}

static LONG delete_value(char **field)
{
    HKEY key;
    LONG error = RegOpenKeyExW(root_of(field[1]), text(field[2]), 0, KEY_ALL_ACCESS | KEY_WOW64_64KEY, &key);
    if (error) return error;
    error = RegDeleteValueW(key, text(field[3]));
    RegCloseKey(key);
    return error;
}

static void list_values(HKEY key)
{
    static WCHAR name[16384];
    DWORD size = 65536;
    BYTE *data = need(malloc(size));
    for (DWORD i = 0;; i++) {
        DWORD letters = 16384, length = size, type;
        LONG error = RegEnumValueW(key, i, name, &letters, NULL, &type, data, &length);
        if (error == ERROR_MORE_DATA) {
            data = need(realloc(data, size = length + 2));
            i--;
            continue;
        }
        if (error) break;
        char kind[16];
        say("V ");
        say_text(name);
        sprintf(kind, " %lu ", (unsigned long)type);
        say(kind);
        say_bytes(data, length);
        say("\n");
    }
    free(data);
}

static void list_key(char **field)
{
    static WCHAR name[256];
    HKEY key;
    if (RegOpenKeyExW(root_of(field[1]), text(field[2]), 0, KEY_READ | KEY_WOW64_64KEY, &key)) {
        say("absent\n");
        return;
    }
    list_values(key);
    for (DWORD i = 0;; i++) {
        DWORD letters = 256;
        if (RegEnumKeyExW(key, i, name, &letters, NULL, NULL, NULL, NULL)) break;
        say("K ");
        say_text(name);
        say("\n");
    }
    RegCloseKey(key);
    say(".\n");
}

static void obey(char **field, int count)
{
    const char *word = field[0];
    if (!strcmp(word, "END") && count == 2) exit(strtoul(field[1], NULL, 10));
    else if (!strcmp(word, "OUT") && count == 2) write_to(STD_OUTPUT_HANDLE, field[1]);
    else if (!strcmp(word, "ERR") && count == 2) write_to(STD_ERROR_HANDLE, field[1]);
    else if (!strcmp(word, "READ") && count == 1) read_input();
    else if (!strcmp(word, "ENV") && count == 3) SetEnvironmentVariableW(text(field[1]), text(field[2]));
    else if (!strcmp(word, "RUN") && count == 2) run(field[1]);
    else if (!strcmp(word, "SET") && count == 6) say_number(set_value(field));
    else if (!strcmp(word, "CREATE") && count == 3) say_number(create_key(field));
    else if (!strcmp(word, "UNSET") && count == 4) say_number(delete_value(field));
    else if (!strcmp(word, "DELETE") && count == 3) say_number(RegDeleteTreeW(root_of(field[1]), text(field[2])));
    else if (!strcmp(word, "LIST") && count == 3) list_key(field);
    else exit(NO_SENSE);
}

static void greet(void)
{
    static WCHAR path[MAX_PATH], folder[MAX_PATH];
    const char *names[] = {"DATAPATH_RELAY_TOKEN", "DATAPATH_RUN"};
    for (int i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);
        say(value && *value ? value : "-");
        say(" ");
    }
    GetModuleFileNameW(NULL, path, MAX_PATH);
    GetCurrentDirectoryW(MAX_PATH, folder);
    say_text(path);
    say(" ");
    say_text(folder);
    say(" ");
    say_text(GetCommandLineW());
    say("\n");
}

int main(void)
{
    WSADATA data;
    struct sockaddr_in address = {0};
    const char *port = getenv("DATAPATH_RELAY_PORT");
    BOOL at_once = TRUE;
    WSAStartup(MAKEWORD(2, 2), &data);
    address.sin_family = AF_INET;
    address.sin_port = htons((u_short)atoi(port ? port : "0"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, (char *)&at_once, sizeof at_once);
    if (connect(server, (struct sockaddr *)&address, sizeof address)) {
        fprintf(stderr, "relay: no server\n");
        return NO_SERVER;
    }
    greet();
    for (;;) {
        char *field[FIELDS];
        int count = 0;
        for (char *word = strtok(line(), " \r"); word && count < FIELDS; word = strtok(NULL, " \r")) field[count++] = word;
        if (!count) return NO_SENSE;
        obey(field, count);
    }
}
