"""Every system call of Linux, by kind: whether a confined attempt may make it, and why.

Landlock governs files by path, and mounts do; neither keeps a process from calling a server on a socket (tmux, Docker,
D-Bus) that then acts for it, from changing another process's limits, or from memory that is shared by number. A call
that stands nowhere, such as one of a newer kernel, is answered as a kernel that does not have it would.
"""

from __future__ import annotations

from typing import NamedTuple


class Argument(NamedTuple):
    """One condition: the argument at that place, masked, equals `value`. The kernel looks at 32 bits of these."""

    at: int
    value: int
    mask: int = 0xFFFFFFFF


class Case(NamedTuple):
    """What is decided where all conditions hold; `network`: only of an attempt that has one."""

    holds: tuple[Argument, ...]
    allowed: bool
    network: bool = False


class Kind(NamedTuple):
    """Calls that are decided alike.

    Shape: `cases` are tried in order, and `allowed` holds where none does; `rule` says them in words. `own_ipc`: the
    calls are allowed to an attempt whose objects nobody outside sees. `escapes` are those in
    `tests/real/test_confine.py` that need these calls; every call that is always refused is tried there besides.
    """

    name: str
    calls: str
    allowed: bool
    why: str
    cases: tuple[Case, ...] = ()
    rule: str = ""
    error: str = "EPERM"
    own_ipc: bool = False
    escapes: tuple[str, ...] = ()


AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, NETLINK_ROUTE = 1, 2, 10, 16, 0
SOCK_STREAM, SOCK_SEQPACKET, SOCK_TYPE = 1, 5, 0xF
NEW_NAMESPACES, NEW_TIME_NAMESPACE = 0x7E020000, 0x80  # CLONE_NEW...; of clone the second is a part of the signal
F_SETOWN, F_SETOWN_EX, F_SETLEASE, F_SETDELEG = 8, 15, 1024, 1040
TIOCSTI, TIOCCONS, TIOCLINUX, TIOCSETD, FIOSETOWN, SIOCSPGRP = 0x5412, 0x541D, 0x541C, 0x5423, 0x8901, 0x8902
TCXONC, TIOCEXCL = 0x540A, 0x540C
OF_TERMINALS, OF_SOCKETS, IOCTL_TYPE = 0x5400, 0x8900, 0xFF00
FICLONE, FICLONERANGE, FIEMAP, FIGETBSZ = 0x40049409, 0x4020940D, 0xC020660B, 2
FS_IOC_GETFLAGS, FS_IOC_GETVERSION, FS_IOC_FSGETXATTR = 0x80086601, 0x80087601, 0x801C581F
PRIO_PROCESS, IOPRIO_WHO_PROCESS, EVERYBODY = 0, 1, 0xFFFFFFFF  # -1, as a process id

ONESELF = (Case((Argument(0, 0),), allowed=True),)

KINDS: tuple[Kind, ...] = (
    # --- files ------------------------------------------------------------------------------------------------
    Kind(
        "files and directories",
        "open openat openat2 creat close close_range access faccessat faccessat2 stat fstat lstat newfstatat statx"
        " statfs fstatfs getdents getdents64 getcwd chdir fchdir readlink readlinkat link linkat symlink symlinkat"
        " rename renameat renameat2 mkdir mkdirat mknod mknodat rmdir unlink unlinkat truncate umask sync syncfs"
        " cachestat",
        True,
        "Landlock or the mounts decide by path",
        escapes=("an absolute path", "a hard link", "a rename into", "a device file", "truncation by name", "removal"),
    ),
    Kind(
        "open files",
        "read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 lseek dup dup2 dup3 pipe pipe2 fsync"
        " fdatasync ftruncate fallocate fadvise64 readahead sync_file_range sendfile splice tee vmsplice"
        " copy_file_range io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents memfd_create memfd_secret"
        " flock",
        True,
        "the file was opened by the rules; what the deployment locks cannot be opened",
        escapes=("a lock that checks take", "a record lock that checks take"),
    ),
    Kind(
        "modes, owners, times, extended attributes",
        "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat setxattr"
        " lsetxattr fsetxattr setxattrat getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr"
        " listxattrat removexattr lremovexattr fremovexattr removexattrat file_getattr",
        True,
        "programs need them in their own directories; outside mounts refuse them, Landlock does not",
    ),
    Kind(
        "control of an open file",
        "fcntl",
        True,
        "a lease holds up everybody who opens the file; an owner is a process that the kernel signals",
        cases=tuple(
            Case((Argument(1, command),), allowed=False) for command in (F_SETOWN, F_SETOWN_EX, F_SETLEASE, F_SETDELEG)
        ),
        rule="all but leases, delegations and setting an owner",
        escapes=("a lease", "a signal by way of a file"),
    ),
    Kind(
        "device control",
        "ioctl",
        False,
        "file systems and devices have thousands, which nothing else governs: some make or remove what a path names",
        cases=(
            *(
                Case((Argument(1, each),), allowed=False)
                for each in (TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD, TCXONC, TIOCEXCL, FIOSETOWN, SIOCSPGRP)
            ),
            Case((Argument(1, OF_TERMINALS, IOCTL_TYPE),), allowed=True),
            Case((Argument(1, OF_SOCKETS, IOCTL_TYPE),), allowed=True),
            *(
                Case((Argument(1, each),), allowed=True)
                for each in (
                    FICLONE,
                    FICLONERANGE,
                    FIEMAP,
                    FIGETBSZ,
                    FS_IOC_GETFLAGS,
                    FS_IOC_GETVERSION,
                    FS_IOC_FSGETXATTR,
                )
            ),
        ),
        rule="those of terminals, pipes and sockets, but for typing (TIOCSTI, TIOCLINUX), stopping output, line"
        " disciplines, the console and owners; cloning a file's data; reading a file's flags and extents",
        error="ENOTTY",
        escapes=("typing into another terminal", "stopping another terminal", "flags of a file"),
    ),
    Kind(
        "changing a file's flags and projects",
        "file_setattr",
        False,
        "it would make a file outside unchangeable",
    ),
    Kind(
        "files by handle",
        "name_to_handle_at open_by_handle_at",
        False,
        "a handle is no path",
        escapes=("a file's handle",),
    ),
    Kind(
        "watching files",
        "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
        True,
        "it tells of changes, and holds nobody up",
    ),
    Kind(
        "watching whole file systems",
        "fanotify_init fanotify_mark",
        False,
        "with privileges it decides whether others may open a file",
        escapes=("a watch on a file system",),
    ),
    Kind(
        "mounts",
        "mount umount2 pivot_root open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr",
        False,
        "they change what a path means",
        escapes=("a mount",),
    ),
    Kind("what is mounted", "statmount listmount", True, "only read"),
    Kind("another root", "chroot", True, "Landlock holds on to files, not to their paths; root's programs use it"),
    Kind(
        "quotas, accounting, swap",
        "quotactl quotactl_fd acct swapon swapoff",
        False,
        "they are the machine's",
    ),
    # --- memory and execution ---------------------------------------------------------------------------------
    Kind(
        "memory of its own",
        "brk mmap munmap mremap mprotect msync mincore madvise mlock mlock2 munlock mlockall munlockall"
        " remap_file_pages pkey_alloc pkey_free pkey_mprotect mseal mbind set_mempolicy get_mempolicy"
        " set_mempolicy_home_node map_shadow_stack",
        True,
        "it reaches nobody else",
    ),
    Kind(
        "processes and threads of its own",
        "fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgid getpgrp setpgid getsid"
        " setsid set_tid_address restart_syscall rseq membarrier futex futex_waitv futex_wait futex_wake futex_requeue"
        " set_robust_list get_robust_list arch_prctl uname sysinfo getcpu times getrusage getrandom uretprobe"
        " uprobe riscv_hwprobe riscv_flush_icache pidfd_open",
        True,
        "the rules hold for every child",
    ),
    Kind(
        "new processes",
        "clone",
        False,
        "with namespaces they would have privileges in a part of the kernel that few programs need",
        cases=(Case((Argument(0, 0, NEW_NAMESPACES),), allowed=True),),
        rule="all but with new namespaces",
        escapes=("a user namespace",),
    ),
    Kind(
        "new processes, told in memory",
        "clone3",
        False,
        "the filter cannot see what is asked for; the C library takes clone instead",
        error="ENOSYS",
        escapes=("a user namespace by clone3",),
    ),
    Kind(
        "leaving what is shared",
        "unshare",
        False,
        "as for new processes",
        cases=(Case((Argument(0, 0, NEW_NAMESPACES | NEW_TIME_NAMESPACE),), allowed=True),),
        rule="all but new namespaces",
        escapes=("a mount", "a user namespace"),
    ),
    Kind("namespaces of others", "setns", False, "it would leave its own", escapes=("another's namespace",)),
    Kind(
        "users, groups, capabilities",
        "getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid"
        " setresgid setgroups setfsuid setfsgid capget capset",
        True,
        "nobody gains a right by these; what the program is allowed to do to files is decided elsewhere",
    ),
    Kind(
        "settings of its own process",
        "prctl personality seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_get_self_attr"
        " lsm_list_modules",
        True,
        "they concern the caller; restrictions only add up",
    ),
    Kind("a security label", "lsm_set_self_attr", False, "it may be a weaker one"),
    Kind("segment descriptors", "modify_ldt", False, "16-bit and 32-bit code, which does not run here"),
    # --- other processes --------------------------------------------------------------------------------------
    Kind(
        "signals",
        "kill",
        True,
        "Landlock keeps them inside from Linux 6.12 on, the process namespace of bubblewrap always; what is left of"
        " older kernels must not reach everybody at once",
        cases=(Case((Argument(0, EVERYBODY),), allowed=False),),
        rule="to all but everybody (-1)",
        escapes=("a signal to a sibling", "a signal to everybody"),
    ),
    Kind(
        "signals to threads, with data, by descriptor",
        "tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal",
        True,
        "as for signals",
        escapes=(
            "a signal to a sibling's thread",
            "a signal with data",
            "a signal by descriptor",
        ),
    ),
    Kind(
        "receiving signals",
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause"
        " signalfd signalfd4",
        True,
        "they concern the caller",
    ),
    Kind(
        "tracing",
        "ptrace",
        True,
        "debuggers need it; Landlock and the process namespace keep it inside",
        escapes=("ptrace of a sibling",),
    ),
    Kind(
        "memory, descriptors and pages of other processes",
        "process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise process_mrelease migrate_pages",
        False,
        "debuggers do without; what would keep them inside is one check in the kernel",
        escapes=("a sibling's memory", "a sibling's memory by call", "a sibling's descriptor", "comparing a sibling"),
    ),
    Kind(
        "limits",
        "prlimit64",
        False,
        "CPU time or file size of a process outside could be set to end it",
        cases=ONESELF,
        rule="only of oneself, as process 0",
        escapes=("a sibling's CPU time", "a sibling's file size"),
    ),
    Kind("limits of its own", "getrlimit setrlimit", True, "they concern the caller"),
    Kind(
        "scheduling",
        "sched_setaffinity sched_setscheduler sched_setparam sched_setattr move_pages",
        False,
        "a check that gets no processor does not look",
        cases=ONESELF,
        rule="only of oneself, as process 0",
        escapes=("a sibling's processors", "a sibling's policy"),
    ),
    Kind(
        "priority",
        "setpriority",
        False,
        "as for scheduling; the process group has the wrapper in it",
        cases=(Case((Argument(0, PRIO_PROCESS), Argument(1, 0)), allowed=True),),
        rule="only of oneself, as process 0",
        escapes=("a sibling's priority", "everybody's priority"),
    ),
    Kind(
        "priority of input and output",
        "ioprio_set",
        False,
        "as for scheduling",
        cases=(Case((Argument(0, IOPRIO_WHO_PROCESS), Argument(1, 0)), allowed=True),),
        rule="only of oneself, as process 0",
        escapes=("a sibling's input and output",),
    ),
    Kind(
        "asking about scheduling",
        "sched_yield sched_getaffinity sched_getscheduler sched_getparam sched_getattr sched_get_priority_max"
        " sched_get_priority_min sched_rr_get_interval getpriority ioprio_get",
        True,
        "only read",
    ),
    # --- between processes ------------------------------------------------------------------------------------
    Kind(
        "sockets",
        "socket",
        False,
        "a server on a Unix socket acts unconfined for whoever calls; the other families are raw access, the"
        " hypervisor, or parts of the kernel that few programs need",
        cases=(
            Case((Argument(0, AF_INET),), allowed=True, network=True),
            Case((Argument(0, AF_INET6),), allowed=True, network=True),
            Case((Argument(0, AF_NETLINK), Argument(2, NETLINK_ROUTE)), allowed=True),
        ),
        rule="internet (IPv4, IPv6), unless `confine_network` is none; asking for addresses and routes",
        escapes=(
            "the tmux socket",
            "a server's socket",
            "an abstract socket",
            "a message by netlink",
            "the kernel's ciphers",
            "the hypervisor",
            "raw packets",
        ),
    ),
    Kind(
        "socket pairs",
        "socketpair",
        False,
        "one that is not connected for good (datagrams; of Unix sockets raw is the same) sends to any name",
        cases=(
            Case((Argument(0, AF_UNIX), Argument(1, SOCK_STREAM, SOCK_TYPE)), allowed=True),
            Case((Argument(0, AF_UNIX), Argument(1, SOCK_SEQPACKET, SOCK_TYPE)), allowed=True),
        ),
        rule="only streams and sequenced packets",
        escapes=("datagrams from a pair", "datagrams from a raw pair"),
    ),
    Kind(
        "use of a socket",
        "bind connect listen accept accept4 shutdown getsockname getpeername getsockopt setsockopt sendto recvfrom"
        " sendmsg recvmsg sendmmsg recvmmsg",
        True,
        "the socket was allowed",
    ),
    Kind(
        "System V shared memory, semaphores, message queues",
        "shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl",
        False,
        "they go by number, and belong to everybody of the user",
        own_ipc=True,
        escapes=("another's shared memory", "another's semaphores", "another's message queue"),
    ),
    Kind(
        "POSIX message queues",
        "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
        False,
        "they go by a name that is no path",
        own_ipc=True,
        escapes=("a POSIX message queue",),
    ),
    Kind(
        "keyrings",
        "add_key request_key keyctl",
        False,
        "they belong to everybody of the user, or of the session",
        escapes=("the user's keyring",),
    ),
    Kind(
        "events and timers",
        "poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd"
        " eventfd2 timerfd_create timerfd_settime timerfd_gettime timer_create timer_settime timer_gettime"
        " timer_getoverrun timer_delete getitimer setitimer alarm nanosleep clock_nanosleep",
        True,
        "they concern the caller",
    ),
    # --- the kernel and the machine ---------------------------------------------------------------------------
    Kind(
        "io_uring",
        "io_uring_setup io_uring_enter io_uring_register",
        False,
        "its operations pass by this filter",
        escapes=("io_uring",),
    ),
    Kind(
        "looking into the kernel",
        "perf_event_open bpf userfaultfd syslog lookup_dcookie",
        False,
        "they see or hold up more than the caller, and no client needs them",
        escapes=("counters of the processor", "faults handled in user space"),
    ),
    Kind(
        "the clock, to read",
        "time gettimeofday clock_gettime clock_getres adjtimex clock_adjtime",
        True,
        "to adjust it takes a capability that is taken from root",
    ),
    Kind("the clock, to set", "settimeofday clock_settime", False, "it is the machine's"),
    Kind(
        "the machine",
        "reboot kexec_load kexec_file_load init_module finit_module delete_module sethostname setdomainname vhangup"
        " iopl ioperm",
        False,
        "it is everybody's",
        escapes=("a kernel setting",),
    ),
    Kind(
        "what kernels no longer have",
        "uselib ustat sysfs _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg afs_syscall"
        " tuxcall security vserver epoll_ctl_old epoll_wait_old set_thread_area get_thread_area",
        False,
        "nothing uses them",
        error="ENOSYS",
    ),
)
