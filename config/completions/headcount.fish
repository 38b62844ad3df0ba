# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_headcount_global_optspecs
    string join \n h/help V/version
end

function __fish_headcount_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_headcount_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_headcount_using_subcommand
    set -l cmd (__fish_headcount_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c headcount -n "__fish_headcount_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c headcount -n "__fish_headcount_needs_command" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "serve" -d 'Count and show: the daemon'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "check-config" -d 'Say whether the configuration is right; every problem, with file, line and key'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "config" -d 'Print the configuration in force, and where each value came from'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "sites" -d 'Per site: its numbers, its last counted beacon, and what was refused in the last hour'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "status" -d 'Say on one screen how the daemon is; exit 1 when it is not healthy'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "doctor" -d 'Ask every question about this setup: proxies, networks, clock, disk, permissions, store'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "adjust" -d 'Correct a number, with a reason: the total alone, or one day'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "explain" -d 'Say whether a beacon would be counted, and if not, why'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "nodes" -d 'The machines of a fleet: which there are, and which is gone for good'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "adopt" -d 'Send what a dead machine\'s state directory still holds to the fleet, under that machine\'s name'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "fleet" -d 'What a fleet counted, for a machine that shall go on alone'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "journal" -d 'Look at the journal'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "backup" -d 'Write everything but the secrets of the day into one new file, while serving too'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "restore" -d 'Replace everything by what a backup holds; the daemon must be stopped'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "import" -d 'Count from a server\'s log, past or as it is written; or bring the numbers of an old counter along'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "export" -d 'Print days, pages, referrers, browsers and the like of a site, for other programs'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "generate" -d 'Write what belongs beside the binary: manual pages, completions, units, dashboards, rules'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "report" -d 'Show on one screen what was counted of a site: days, pages, referrers, browsers and the like'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "demo" -d 'Start a daemon to throw away, with a day of made-up people behind it and more coming'
complete -c headcount -n "__fish_headcount_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand serve" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand serve" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand serve" -l listen -d 'Address and port of the counter, or unix:/path; may be given more than once' -r
complete -c headcount -n "__fish_headcount_using_subcommand serve" -l admin-listen -d 'Address and port of metrics and health, or unix:/path; may be given more than once' -r
complete -c headcount -n "__fish_headcount_using_subcommand serve" -l public-url -d 'Where readers find the counter, such as https://www.example.vn/hc' -r
complete -c headcount -n "__fish_headcount_using_subcommand serve" -l log-format -d 'How log lines look: text, journal or json. Default: journal where systemd reads along, else text' -r
complete -c headcount -n "__fish_headcount_using_subcommand serve" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand serve" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand check-config" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand check-config" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand check-config" -l connect -d 'Reach the shared store of a fleet too, as the daemon would, and say what is wrong with it'
complete -c headcount -n "__fish_headcount_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand check-config" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand config" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand config" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand config" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand config" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and not __fish_seen_subcommand_from remove help" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand sites; and not __fish_seen_subcommand_from remove help" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand sites; and not __fish_seen_subcommand_from remove help" -l json -d 'Print JSON'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and not __fish_seen_subcommand_from remove help" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and not __fish_seen_subcommand_from remove help" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and not __fish_seen_subcommand_from remove help" -f -a "remove" -d 'Delete everything that is kept of a site that is no longer configured'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and not __fish_seen_subcommand_from remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and __fish_seen_subcommand_from remove" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand sites; and __fish_seen_subcommand_from remove" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand sites; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Delete everything that is kept of a site that is no longer configured'
complete -c headcount -n "__fish_headcount_using_subcommand sites; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand status" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand status" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand status" -l json -d 'Print JSON'
complete -c headcount -n "__fish_headcount_using_subcommand status" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand status" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand doctor" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand doctor" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand doctor" -l json -d 'Print JSON'
complete -c headcount -n "__fish_headcount_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -l reason -d 'Why; it is kept with who and when' -r
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -l on -d 'Correct the rows of this day too, such as 2026-11-22. Without it the total alone' -r
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -l page -d 'Correct the all-time numbers of this page, such as /news, and nothing else' -r
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -l list -d 'Show all adjustments of the site'
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -l all -d 'Show every number of an old counter\'s file on a line of its own'
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand adjust" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand explain" -l address -d 'The address that the connection comes from: a reader\'s, or that of a proxy' -r
complete -c headcount -n "__fish_headcount_using_subcommand explain" -l header -d 'A header of the request, such as \'User-Agent: …\'; may be given more than once' -r
complete -c headcount -n "__fish_headcount_using_subcommand explain" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand explain" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand explain" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand explain" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and not __fish_seen_subcommand_from forget help" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and not __fish_seen_subcommand_from forget help" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and not __fish_seen_subcommand_from forget help" -l json -d 'Print JSON'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and not __fish_seen_subcommand_from forget help" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and not __fish_seen_subcommand_from forget help" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and not __fish_seen_subcommand_from forget help" -f -a "forget" -d 'Tell a dead node to stay away for ever. What it counted stays'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and not __fish_seen_subcommand_from forget help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and __fish_seen_subcommand_from forget" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and __fish_seen_subcommand_from forget" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and __fish_seen_subcommand_from forget" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and __fish_seen_subcommand_from forget" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "forget" -d 'Tell a dead node to stay away for ever. What it counted stays'
complete -c headcount -n "__fish_headcount_using_subcommand nodes; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand adopt" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand adopt" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand adopt" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand adopt" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and not __fish_seen_subcommand_from export help" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and not __fish_seen_subcommand_from export help" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and not __fish_seen_subcommand_from export help" -f -a "export" -d 'Write the sums of the whole fleet to a file that `import --from headcount` takes'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and not __fish_seen_subcommand_from export help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and __fish_seen_subcommand_from export" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and __fish_seen_subcommand_from export" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and __fish_seen_subcommand_from export" -l beside-own -d 'Leave out what this machine counted itself, for an import on this machine'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write the sums of the whole fleet to a file that `import --from headcount` takes'
complete -c headcount -n "__fish_headcount_using_subcommand fleet; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and not __fish_seen_subcommand_from check help" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Read every record of every stream, change nothing, and say what is sound. Exit 4 on damage'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and __fish_seen_subcommand_from check" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand journal; and __fish_seen_subcommand_from check" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand journal; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and __fish_seen_subcommand_from help" -f -a "check" -d 'Read every record of every stream, change nothing, and say what is sound. Exit 4 on damage'
complete -c headcount -n "__fish_headcount_using_subcommand journal; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand backup" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand backup" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand backup" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand backup" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand restore" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand restore" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand restore" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand restore" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l site -d 'The site that they count for' -r
complete -c headcount -n "__fish_headcount_using_subcommand import" -l from -d 'The system that the file is of: vinaora, nukeviet, busuanzi, goatcounter or headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand import" -l pages -d 'Paths of pages, one a line, for files that name pages by hashes (busuanzi\'s Redis)' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand import" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand import" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand import" -l everything -d 'Count every line that can be read, also those of robots and for files'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l overlap -d 'Count lines since the site\'s first beacon too, and those of a time that another log was counted for: say so when nothing else counts them, as for logs of several servers behind a balancer'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l final -d 'Count the last line of a log even if it has no end'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l follow -d 'Go on with what is added to one log, through every rotation, until stopped. Needs the daemon'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l finish -d 'Say that all logs of the past are read: their days keep the number of visitors, and the secrets that told these apart are erased. Without --site for all sites'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l json -d 'Print JSON'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l dry-run -d 'Show what would be added, and add nothing'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l replace -d 'Take back what was brought along from this system before, and bring this in its place'
complete -c headcount -n "__fish_headcount_using_subcommand import" -l again -d 'Add to what was brought along from this system before, as the numbers of a second counter'
complete -c headcount -n "__fish_headcount_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c headcount -n "__fish_headcount_using_subcommand import" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand export" -l format -d 'json: one object; csv: one table of days, pages and details, told apart by dimension' -r -f -a "json\t''
csv\t''"
complete -c headcount -n "__fish_headcount_using_subcommand export" -l from -d 'The first day, such as 2026-01-01' -r
complete -c headcount -n "__fish_headcount_using_subcommand export" -l to -d 'The last day' -r
complete -c headcount -n "__fish_headcount_using_subcommand export" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand export" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand export" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand export" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand generate" -l into -d 'Write all of them into this directory, over those that are there. It is created when it is missing' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand generate" -l runbooks -d 'Where alerts shall say that their runbooks are, if not in this project\'s README' -r
complete -c headcount -n "__fish_headcount_using_subcommand generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c headcount -n "__fish_headcount_using_subcommand generate" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand report" -l from -d 'The first day, such as 2026-01-01. Default: 30 days up to the last' -r
complete -c headcount -n "__fish_headcount_using_subcommand report" -l to -d 'The last day. Default: today' -r
complete -c headcount -n "__fish_headcount_using_subcommand report" -l limit -d 'How many rows of each list are shown' -r
complete -c headcount -n "__fish_headcount_using_subcommand report" -l config -d 'The configuration file. Default: $HEADCOUNT_CONFIG, else none' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand report" -l state-directory -d 'Where everything is kept. Default: $STATE_DIRECTORY, else ~/.local/state/headcount' -r
complete -c headcount -n "__fish_headcount_using_subcommand report" -l json -d 'Print JSON'
complete -c headcount -n "__fish_headcount_using_subcommand report" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand report" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand demo" -l seed -d 'The same number makes the same people' -r
complete -c headcount -n "__fish_headcount_using_subcommand demo" -l people -d 'About how many of them come in a day' -r
complete -c headcount -n "__fish_headcount_using_subcommand demo" -l state-directory -d 'Where to keep it, a directory that is empty or does not exist. Without it nothing is kept' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand demo" -l config -d 'The configuration of the daemon that runs' -r -F
complete -c headcount -n "__fish_headcount_using_subcommand demo" -l running -d 'Start no daemon: fill the one that runs, if it has counted nothing yet. --state-directory is its own then'
complete -c headcount -n "__fish_headcount_using_subcommand demo" -l any-ports -d 'Take any free ports, not the usual ones'
complete -c headcount -n "__fish_headcount_using_subcommand demo" -s h -l help -d 'Print help'
complete -c headcount -n "__fish_headcount_using_subcommand demo" -s V -l version -d 'Print version'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "serve" -d 'Count and show: the daemon'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "check-config" -d 'Say whether the configuration is right; every problem, with file, line and key'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "config" -d 'Print the configuration in force, and where each value came from'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "sites" -d 'Per site: its numbers, its last counted beacon, and what was refused in the last hour'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "status" -d 'Say on one screen how the daemon is; exit 1 when it is not healthy'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "doctor" -d 'Ask every question about this setup: proxies, networks, clock, disk, permissions, store'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "adjust" -d 'Correct a number, with a reason: the total alone, or one day'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "explain" -d 'Say whether a beacon would be counted, and if not, why'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "nodes" -d 'The machines of a fleet: which there are, and which is gone for good'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "adopt" -d 'Send what a dead machine\'s state directory still holds to the fleet, under that machine\'s name'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "fleet" -d 'What a fleet counted, for a machine that shall go on alone'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "journal" -d 'Look at the journal'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "backup" -d 'Write everything but the secrets of the day into one new file, while serving too'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "restore" -d 'Replace everything by what a backup holds; the daemon must be stopped'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "import" -d 'Count from a server\'s log, past or as it is written; or bring the numbers of an old counter along'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "export" -d 'Print days, pages, referrers, browsers and the like of a site, for other programs'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "generate" -d 'Write what belongs beside the binary: manual pages, completions, units, dashboards, rules'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "report" -d 'Show on one screen what was counted of a site: days, pages, referrers, browsers and the like'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "demo" -d 'Start a daemon to throw away, with a day of made-up people behind it and more coming'
complete -c headcount -n "__fish_headcount_using_subcommand help; and not __fish_seen_subcommand_from serve check-config config sites status doctor adjust explain nodes adopt fleet journal backup restore import export generate report demo help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c headcount -n "__fish_headcount_using_subcommand help; and __fish_seen_subcommand_from sites" -f -a "remove" -d 'Delete everything that is kept of a site that is no longer configured'
complete -c headcount -n "__fish_headcount_using_subcommand help; and __fish_seen_subcommand_from nodes" -f -a "forget" -d 'Tell a dead node to stay away for ever. What it counted stays'
complete -c headcount -n "__fish_headcount_using_subcommand help; and __fish_seen_subcommand_from fleet" -f -a "export" -d 'Write the sums of the whole fleet to a file that `import --from headcount` takes'
complete -c headcount -n "__fish_headcount_using_subcommand help; and __fish_seen_subcommand_from journal" -f -a "check" -d 'Read every record of every stream, change nothing, and say what is sound. Exit 4 on damage'
