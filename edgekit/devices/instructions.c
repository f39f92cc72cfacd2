/* A qemu-user plugin that counts the instructions a guest executes.
 *
 * The count lies in the first eight bytes of the file named by `count=`, which the guest maps
 * as well: it reads its own count like a clock, with no call and no text to parse. A block of
 * instructions is counted when it is entered.
 *
 * Declared here because distributions ship the emulator without its header. PLUGIN_API is the
 * version of the interface that the emulator at hand speaks; these functions are the same in
 * all of them.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
enum registers { NO_REGISTERS };

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(
    plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(
    struct qemu_plugin_tb *, void (*)(unsigned int, void *), enum registers, void *);

__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_API;

static uint64_t *count;

static void executed(unsigned int processor, void *instructions)
{
    (void)processor;
    __atomic_fetch_add(count, (uint64_t)(uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(
        block, executed, NO_REGISTERS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

__attribute__((visibility("default"))) int
qemu_plugin_install(plugin_id id, const void *emulator, int arguments, char **argument)
{
    (void)emulator;
    for (int number = 0; number < arguments; number++) {
        if (strncmp(argument[number], "count=", 6) != 0)
            continue;
        int file = open(argument[number] + 6, O_RDWR);
        if (file < 0)
            return -1;
        void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (page == MAP_FAILED)
            return -1;
        count = page;
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        return 0;
    }
    return -1;
}
