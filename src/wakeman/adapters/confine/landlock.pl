# Run a program whose writes, and those of all its children, the kernel refuses outside the places named.
#
#     perl landlock.pl RULES FILTER PROGRAM ARG...
#
# RULES holds strings, each ended by NUL: the numbers of the system calls prctl, unshare and mount on this machine, the
# newest version of Landlock to use, then entries by their first letter:
#
#     wPATH   a file or directory that may be written to and read, with all below
#     rPATH   one that may be read where that is hidden
#     hPATH   a directory that is hidden: nothing below may be read, but for the above. All else may be, but devices.
#     m       what is hidden is covered by mounts of its own: its modes cannot be changed either
#     n       a network of its own, with nothing but a loopback interface
#
# FILTER holds a seccomp program: what Landlock does not reach. All is applied to this process for ever, which then
# becomes PROGRAM.
#
# Exit status 126 when a part of it cannot be had: the program does not run less confined than it is to be. 127 for no
# such program, as a shell has it. No module is loaded: this is on the way of each launch.

my ($rules, $filter, @program) = @ARGV;

# The same numbers on each machine, but for those that RULES has.
my ($CREATE, $ADD, $RESTRICT, $CLOSE_RANGE) = (444, 445, 446, 436);
my ($SECCOMP, $CAPBSET_DROP, $NO_NEW_PRIVS) = (22, 24, 38);
my ($O_PATH_CLOEXEC, $O_NOFOLLOW) = (0x280000, 0400000);
my ($NEW_MOUNTS, $NEW_USER, $NEW_NET) = (0x20000, 0x10000000, 0x40000000);
my ($SIOCSIFFLAGS, $UP_AND_LOOPBACK) = (0x8914, 1 | 8);
my ($MOUNT_SETATTR, $NOSUID_NODEV, $BIND, $SLAVE) = (442, 2 | 4, 0x1000 | 0x4000, 0x4000 | 0x80000);

# Rights by their bits: all but to run (0) and to list directories (3).
my ($WRITE, $READ, $CHARACTER, $BLOCK, $TRUNCATE, $DEVICE) = (1 << 1, 1 << 2, 1 << 6, 1 << 11, 1 << 14, 1 << 15);
my $all = 0xFFF6;
my $SCOPES = 1 | 2; # abstract sockets, signals
my $LEAST = 3; # of kernels before this version truncation is not governed

sub stop { print STDERR "confine: @_\n"; exit 126 }

sub content {
    open(my $file, '<:raw', $_[0]) or stop("$_[0]: $!");
    local $/;
    return scalar <$file>;
}

sub say_to {
    my ($place, $text) = @_;
    my $file;
    open($file, '>', $place) && syswrite($file, $text) or stop("$place: $!");
}

my ($prctl, $unshare, $mount, $known, @entries) = split /\0/, content($rules);
my $code = content($filter);
my (@writes, @reads, @hidden, $cover, $alone);
for (@entries) {
    my ($kind, $path) = (substr($_, 0, 1), substr($_, 1));
    if ($kind eq 'w') { push @writes, $path }
    elsif ($kind eq 'r') { push @reads, $path }
    elsif ($kind eq 'h') { push @hidden, $path }
    elsif ($kind eq 'm') { $cover = 1 }
    elsif ($kind eq 'n') { $alone = 1 }
    else { stop("$rules: unknown rule '$kind'") }
}

# Root has namespaces of its own for the asking; others get them with a user namespace, in which they stay who they are.
if (my $wanted = ($cover ? $NEW_MOUNTS : 0) | ($alone ? $NEW_NET : 0)) {
    my ($user, $group) = ($>, $) + 0);
    if (syscall($unshare, $wanted) != 0) {
        syscall($unshare, $NEW_USER | $wanted) == 0 or stop("namespaces: $!");
        say_to('/proc/self/setgroups', 'deny');
        say_to('/proc/self/uid_map', "$user $user 1");
        say_to('/proc/self/gid_map', "$group $group 1");
    }
}
if ($alone) {
    socket(my $socket, 2, 2, 0) or stop("a network of its own: $!");
    my $request = pack('a16sx22', 'lo', $UP_AND_LOOPBACK); # struct ifreq
    ioctl($socket, $SIOCSIFFLAGS, $request) or stop("loopback interface: $!");
}

sub opened {
    sysopen(my $handle, $_[0], $O_PATH_CLOEXEC) or stop("$_[0]: $!");
    return $handle;
}

sub only_read {
    my $attributes = pack('QQQQ', 1, 0, 0, 0);
    syscall($MOUNT_SETATTR, -100, $_[0], 0, $attributes, length $attributes) == 0 or stop("$_[0]: mount_setattr: $!");
}

sub make_directory {
    my ($place) = @_;
    return if -d $place;
    make_directory($place =~ s{/[^/]*$}{}r);
    mkdir $place or stop("$place: $!");
}

# An empty directory over a hidden one, and in it what is the attempt's own.
sub cover {
    my ($place) = @_;
    my @own = map { [$_, opened($_)] } grep { index($_, "$place/") == 0 } @reads, @writes;
    my ($kind, $options) = ('tmpfs', 'size=1m,mode=0755');
    syscall($mount, $kind, $place, $kind, $NOSUID_NODEV, $options) == 0 or stop("$place: mount: $!");
    for (@own) {
        my ($path, $handle) = @$_;
        my $from = '/proc/self/fd/' . fileno $handle;
        next if -d $from && -d $path; # it lies in another one
        make_directory(-d $from ? $path : $path =~ s{/[^/]*$}{}r);
        if (! -d $from) { open(my $file, '>', $path) or stop("$path: $!") }
        syscall($mount, $from, $path, 0, $BIND, 0) == 0 or stop("$path: mount: $!");
    }
    only_read($_) for grep { index($_, "$place/") == 0 } @reads;
    only_read($place);
}
if ($cover) {
    my $here = readlink '/proc/self/cwd';
    my ($none, $root) = ('none', '/'); # no literals: syscall insists on what could be changed
    syscall($mount, $none, $root, 0, $SLAVE, 0) == 0 or stop("mounts of its own: $!");
    cover($_) for @hidden;
    @hidden = ();
    chdir $here or stop("$here: $!"); # not into what is covered
}

# Devices are hidden in any case: to open one may be enough to start it.
my (%hidden, %above);
for my $path (@hidden, '/dev') {
    $hidden{$path} = 1;
    for (my $at = $path; $at ne '/'; $above{$at} = 1) { $at = $at =~ s{/[^/]*$}{}r || '/' }
}

my $version = syscall($CREATE, 0, 0, 1);
stop("Landlock of version $LEAST or newer expected, found " . ($version < 0 ? $! : $version)) if $version < $LEAST;
$version = $known if $version > $known;
$all &= ~$DEVICE if $version < 5;

# struct landlock_ruleset_attr: files, ports, scopes. A shorter one is what older kernels take.
my $attributes = pack('Q', $all) . ($version < 6 ? '' : pack('QQ', 0, $SCOPES));
my $ruleset = syscall($CREATE, $attributes, length $attributes, 0);
stop("landlock_create_ruleset: $!") if $ruleset < 0;

sub add {
    my ($handle, $rights) = @_;
    my $rule = pack('Ql', $rights & $all, fileno $handle); # the kernel has no gap between the two either
    return syscall($ADD, $ruleset, 1, $rule, 0) == 0;
}

sub allow {
    my ($place, $rights) = @_;
    add(opened($place), $rights) or stop("$place: landlock_add_rule: $!");
}

# There is no rule that takes a right away: what lies beside the hidden, and beside each directory above, is named. By
# what they are, not by their paths: a file system that is mounted twice has each in two places. A link is not followed,
# since it may lead there. What comes there later cannot be read.
sub identity { my @seen = lstat $_[0]; return @seen ? "$seen[0]:$seen[1]" : '' }
my %kept = map { identity($_) => 1 } keys %hidden, keys %above;
for my $above (keys %above) {
    opendir(my $directory, $above) or next;
    my $start = $above eq '/' ? '' : $above;
    for (readdir $directory) {
        next if $_ eq '.' || $_ eq '..' || $kept{identity("$start/$_")};
        sysopen(my $handle, "$start/$_", $O_PATH_CLOEXEC | $O_NOFOLLOW) or next;
        add($handle, $READ);
    }
}

# Nobody makes a device: by one of the disk's number root would write anywhere.
allow($_, -d $_ ? ~($CHARACTER | $BLOCK | $DEVICE) : $WRITE | $TRUNCATE | $READ) for @writes;
allow($_, $READ) for @reads;
-e and allow($_, $READ | $WRITE | $TRUNCATE | $DEVICE)
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
