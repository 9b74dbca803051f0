# Run a program whose writes, and those of all its children, the kernel refuses outside the places named.
#
#     perl landlock.pl RULES FILTER PROGRAM ARG...
#
# RULES holds strings, each ended by NUL: the number of the system call prctl on this machine, then the files and
# directories that may be written to; all below a directory counts. FILTER holds a seccomp program: what Landlock does
# not reach. Both are applied to this process for ever, which then becomes PROGRAM.
#
# Exit status 126 when a part of it cannot be had: the program does not run less confined than it is to be. 127 for no
# such program, as a shell has it. No module is loaded: this is on the way of each launch.

my ($rules, $filter, @program) = @ARGV;

# The same numbers on each machine, but for prctl.
my ($CREATE, $ADD, $RESTRICT, $CLOSE_RANGE) = (444, 445, 446, 436);
my ($SECCOMP, $CAPBSET_DROP, $NO_NEW_PRIVS) = (22, 24, 38);
my $O_PATH_CLOEXEC = 0x280000;

# Rights by their bits: all but to run (0), to read files (2) and directories (3).
my ($WRITE, $CHARACTER, $BLOCK, $TRUNCATE, $DEVICE) = (1 << 1, 1 << 6, 1 << 11, 1 << 14, 1 << 15);
my $all = 0xFFF2;
my $SCOPES = 1 | 2; # abstract sockets, signals
my $LEAST = 3; # of kernels before this version truncation is not governed

sub stop { print STDERR "confine: @_\n"; exit 126 }

sub content {
    open(my $file, '<:raw', $_[0]) or stop("$_[0]: $!");
    local $/;
    return scalar <$file>;
}

my ($prctl, @places) = split /\0/, content($rules);
my $code = content($filter);

my $version = syscall($CREATE, 0, 0, 1);
stop("Landlock of version $LEAST or newer expected, found " . ($version < 0 ? $! : $version)) if $version < $LEAST;
$all &= ~$DEVICE if $version < 5;

# struct landlock_ruleset_attr: files, ports, scopes. A shorter one is what older kernels take.
my $attributes = pack('Q', $all) . ($version < 6 ? '' : pack('QQ', 0, $SCOPES));
my $ruleset = syscall($CREATE, $attributes, length $attributes, 0);
stop("landlock_create_ruleset: $!") if $ruleset < 0;

sub allow {
    my ($place, $rights) = @_;
    sysopen(my $handle, $place, $O_PATH_CLOEXEC) or stop("$place: $!");
    my $rule = pack('Ql', $rights & $all, fileno $handle); # the kernel has no gap between the two either
    syscall($ADD, $ruleset, 1, $rule, 0) == 0 or stop("$place: landlock_add_rule: $!");
}

# Nobody makes a device: by one of the disk's number root would write anywhere.
allow($_, -d $_ ? ~($CHARACTER | $BLOCK | $DEVICE) : $WRITE | $TRUNCATE) for @places;
-e and allow($_, $WRITE | $TRUNCATE | $DEVICE)
    for qw(/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx /dev/pts);

# An open file is a right that is not taken back: what is inherited beside the standard ones ends here.
syscall($CLOSE_RANGE, 3, 0xFFFFFFFF, 4); # kernels that have Landlock have it
if ($> == 0) {
    # Kept by root: chown, dac_override, fowner, fsetid, setgid, setuid, net_bind_service, sys_chroot.
    syscall($prctl, $CAPBSET_DROP, $_, 0, 0, 0) for 2, 5, 8, 9, 11 .. 17, 19 .. 63;
}
syscall($prctl, $NO_NEW_PRIVS, 1, 0, 0, 0) == 0 or stop("no_new_privs: $!");
syscall($RESTRICT, $ruleset, 0) == 0 or stop("landlock_restrict_self: $!");
my $header = pack('SxxxxxxP', length($code) / 8, $code); # struct sock_fprog
syscall($prctl, $SECCOMP, 2, $header, 0, 0) == 0 or stop("seccomp: $!");

exec { $program[0] } @program;
print STDERR "confine: $program[0]: $!\n";
exit($! == 2 ? 127 : 126);
