/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

// The rest of the first line that begins with "model name", behind its colon.
static void
read_cpu(char *ret_text, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(ret_text, size, "unknown processor");
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            colon += 1 + strspn(colon + 1, " \t");
            snprintf(ret_text, size, "%.*s", (int)strcspn(colon, "\n"), colon);
            break;
        }
    }
    fclose(file);
}

static long
count_cores(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                        : sysconf(_SC_NPROCESSORS_ONLN);
}

void
machine_read(struct machine *ret_machine)
{
    struct utsname system;
    time_t now = time(NULL);
    struct tm local;

    memset(ret_machine, 0, sizeof(*ret_machine));
    read_cpu(ret_machine->cpu, sizeof(ret_machine->cpu));
    if (uname(&system) == 0) {
        snprintf(ret_machine->kernel, sizeof(ret_machine->kernel), "%s", system.release);
    }
    if (localtime_r(&now, &local) != NULL) {
        strftime(ret_machine->date, sizeof(ret_machine->date), "%Y-%m-%d %H:%M", &local);
    }
    ret_machine->cores = count_cores();
    if (getloadavg(&ret_machine->load, 1) != 1) {
        ret_machine->load = -1;
    }
}

// What a kernel says of itself may hold anything.
static void
write_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', to);
        }
        fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
    }
    fputc('"', to);
}

void
machine_write(FILE *to, const struct machine *machine)
{
    fputs("{\"cpu\":", to);
    write_text(to, machine->cpu);
    fprintf(to, ",\"cores\":%ld,\"kernel\":", machine->cores);
    write_text(to, machine->kernel);
    fputs(",\"date\":", to);
    write_text(to, machine->date);
    fprintf(to, ",\"load\":%.2f}", machine->load);
}
