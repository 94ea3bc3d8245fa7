#!/usr/bin/perl
# Checks that what the documents show is true; Scripts/docs calls it, at the root of the checkout.
#
# - Each ```swift block is an excerpt of a program in Examples, which Scripts/examples builds and runs: consecutive lines
#   of one file, indentation apart. (A ~~~swift block is not checked: it shows what cannot be built here.)
# - Each ```text block is an excerpt of a file in Examples/Expected.
# - Each ```console block is a session: what the commands after `$ ` print, standard error included, and `[N]` for an
#   exit code other than 0. `...` stands for anything within a line, and alone on one for any lines.
# - Docs/Limits.md has every limit of the sources' `…Limits`, with its value.
# - A link to another file leads to one.
use strict;
use warnings;
use Cwd;
use File::Basename;
use File::Temp qw(tempdir);

my ($cvmfs) = @ARGV;
my $root = getcwd;
my $fixtures = "$root/Tests/Fixtures";
my ($passed, $failed) = (0, 0);

sub slurp { local $/; open my $file, '<', $_[0] or die "$_[0]: $!\n"; return scalar <$file> }

sub check {
    my ($holds, $where, $message) = @_;
    if ($holds) { $passed++ } else { $failed++; print STDERR "FAILED: $where: $message\n" }
}

# Lines without the indentation that they share, and without blank lines at the ends.
sub dedent {
    my @lines = @_;
    s/\s+$// for @lines;
    shift @lines while @lines && $lines[0] eq '';
    pop @lines while @lines && $lines[-1] eq '';
    my $indent;
    for (@lines) {
        next if $_ eq '';
        my ($blank) = /^( *)/;
        $indent = length $blank if !defined $indent || length $blank < $indent;
    }
    $indent //= 0;
    substr($_, 0, $indent, '') for grep { length } @lines;
    return @lines;
}

# Whether lines occur in a text in this order, one behind the other, all indented by the same.
sub is_excerpt {
    my ($text, @lines) = @_;
    my @text = split /\n/, $text;
    s/\s+$// for @text;
    for my $start (0 .. @text - @lines) {
        return 1 if join("\n", dedent(@text[$start .. $start + $#lines])) eq join("\n", @lines);
    }
    return 0;
}

my @documents = split /\n/, `find * -name '*.md' -not -path 'Tests/Fixtures/*' -not -path '*/.build*'`;
my %programs = map { $_ => slurp($_) } split /\n/, `find Examples -name .build -prune -o -name '*.swift' -print`;
my %outputs = map { $_ => slurp($_) } glob 'Examples/Expected/*.txt';

# What a session may rely on: keys, a home of its own, and no settings of the caller's.
my $work = tempdir(CLEANUP => 1);
sub begin_session {
    my $folder = tempdir(DIR => $work);
    symlink "$fixtures/keys", "$folder/keys";
    return $folder;
}

# The output of a command as the document would show it.
sub output_of {
    my ($command, $folder) = @_;
    $command =~ s{/srv/cvmfs}{$fixtures}g;
    local $ENV{PATH} = dirname($cvmfs) . ":$ENV{PATH}";
    local $ENV{HOME} = "$folder/home";
    local $ENV{XDG_CACHE_HOME} = "$folder/cache";
    delete local $ENV{OSG_APP};
    open my $pipe, '-|', 'bash', '-c', "cd '$folder' && { $command\n} 2>&1" or die "bash: $!\n";
    my $output = do { local $/; <$pipe> } // '';
    close $pipe;
    my $code = $? >> 8;
    $output =~ s/\Q$fixtures\E/\/srv\/cvmfs/g;
    $output .= "[$code]\n" if $code;
    return $output;
}

sub matches {
    my ($output, @expected) = @_;
    my $pattern = '';
    for (@expected) {
        if ($_ eq '...') { $pattern .= '(?:.*\n)*'; next }
        $pattern .= join('.*', map { quotemeta } split /\.\.\./, $_, -1) . '\n';
    }
    return $output =~ /^$pattern$/ ? 1 : 0;
}

for my $document (@documents) {
    my ($fence, $kind, $number, @block) = ('', '', 0);
    my $session;
    open my $file, '<', $document or die "$document: $!\n";
    while (my $line = <$file>) {
        chomp $line;
        if (!$fence) {
            if ($line =~ /^\s*(```|~~~)(\S*)/) { ($fence, $kind, $number, @block) = ($1, $2, $.); next }
            for my $link ($line =~ /\]\(([^)#:]+)(?:#[^)]*)?\)/g) {
                next if $document =~ /\.docc\//;
                check(-e dirname($document) . "/$link", "$document:$.", "there is no $link");
            }
        } elsif ($line =~ /^\s*\Q$fence\E\s*$/) {
            my $where = "$document:$number";
            $kind = '' if $fence eq '~~~';
            $fence = '';
            if ($kind eq 'swift') {
                my @lines = dedent(@block);
                check(scalar(grep { is_excerpt($_, @lines) } values %programs), $where, 'is in no program of Examples');
            } elsif ($kind eq 'text') {
                my @lines = dedent(@block);
                check(scalar(grep { is_excerpt($_, @lines) } values %outputs), $where, 'is in no file of Examples/Expected');
            } elsif ($kind eq 'console') {
                $session //= begin_session();
                my @steps;
                for (@block) {
                    if (/^\$ (.*)/) { push @steps, [$1] } elsif (@steps) { push @{ $steps[-1] }, $_ }
                }
                for (@steps) {
                    my ($command, @expected) = @$_;
                    my $output = output_of($command, $session);
                    check(scalar(matches($output, @expected)), $where, "\$ $command\nprints:\n$output");
                }
            }
        } else {
            push @block, $line;
        }
    }
    check($fence eq '', "$document:$number", 'a code block without an end');
}

# Values as the sources write them: 64 << 10, 16_384, other / 2, 1024...16384.
sub value_of {
    my ($expression, $known) = @_;
    $expression =~ s/(?<=\d)_(?=\d)//g;
    $expression =~ s/\b([a-z]\w*)\b/$known->{$1} \/\/ 'x'/ge;
    return join ' to ', map { value_of($_, $known) } split /\.\.\./, $expression if $expression =~ /\.\.\./;
    return $expression =~ /^[\d <\/*]+$/ ? eval $expression : $expression;
}

# And as a document writes them: 64 KiB, 16 384, 1024 to 16384.
sub value_in_words {
    my ($words) = @_;
    my %units = (KiB => 1 << 10, MiB => 1 << 20, GiB => 1 << 30, TiB => 1 << 40, PiB => 1 << 50);
    return $words =~ /^([\d ]+?) ?([KMGTP]iB)$/ ? ($1 =~ s/ //gr) * $units{$2} : $words =~ s/(?<=\d) (?=\d)//gr;
}

my (%limits, $table);
for (split /\n/, slurp('Docs/Limits.md')) {
    $table = $1 if /^## .*`(\w*Limits)`/;
    $table = undef if /^## / && !/`\w*Limits`/;
    next unless defined $table && /^\| (`\w+`(?:, `\w+`)*) \| ([^|]*?) \|/;
    my ($names, $value) = ($1, $2);
    $limits{$table}{$_} = value_in_words($value) for $names =~ /\w+/g;
}
for my $source (split /\n/, `find Sources -name '*Limits.swift'`) {
    my ($name, %known) = basename($source, '.swift');
    my $text = slurp($source);
    while ($text =~ /\bstatic let (\w+)(?:: \w+)? = ([^\n]+)/g) {
        $known{$1} = value_of($2, \%known);
        my $shown = $limits{$name}{$1} // 'not at all';
        check($shown eq $known{$1}, $source, "$1 is $known{$1}, and Docs/Limits.md has it as $shown");
    }
}

print "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);
