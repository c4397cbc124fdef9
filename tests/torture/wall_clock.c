// Preloaded, it moves the wall clock of a program, and nothing else, by the seconds in the file that WALL_CLOCK names.
//
// The file holds one 64-bit integer and is mapped, so that whoever writes it sets the clock of a running program. There is
// no lock and no thread: libfaketime, which does the same, also stands in for pthread_cond_timedwait, in which Python's
// threads wait for each other, and under load its stand-in keeps them waiting for seconds.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *file;

__attribute__((constructor)) static void open_file(void) {
    const char *path = getenv("WALL_CLOCK");
    int handle = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0) return;
    void *mapped = mmap(NULL, sizeof *file, PROT_READ, MAP_SHARED, handle, 0);
    close(handle);
    if (mapped != MAP_FAILED) file = mapped;
}

static int64_t moved(void) { return file == NULL ? 0 : *file; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += moved();
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    int result = syscall(SYS_gettimeofday, now, zone);
    if (result == 0 && now != NULL) now->tv_sec += moved();
    return result;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told != NULL) *told = now.tv_sec;
    return now.tv_sec;
}

// Where there is no sem_clockwait, Python waits for a lock until a time of the wall clock, which the kernel must understand.
int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    struct timespec real = {until->tv_sec - moved(), until->tv_nsec};
    int (*wait)(sem_t *, const struct timespec *) = dlsym(RTLD_NEXT, "sem_timedwait");
    return wait(semaphore, &real);
}
