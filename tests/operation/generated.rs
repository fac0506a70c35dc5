//! Tests of what the binary prints about itself: completions, the manual page, the example of a settings file.

use crate::common::{Run, binary, run};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

fn printed(arguments: &[&str]) -> String {
    let Run { code, stdout, stderr } = run(binary().args(arguments));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    stdout
}

/// Hands text to a program; `None` if it is not installed.
fn piped(program: &[&str], text: &str) -> Option<(bool, String)> {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().ok()?;
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn completions_are_what_each_shell_reads() {
    for shell in ["bash", "zsh", "fish"] {
        let file = printed(&["completions", shell]);
        assert!(file.contains("handoff") && file.contains("stall-timeout"), "{shell}");
        match piped(&[shell, "-n"], &file) {
            Some(checked) => assert_eq!(checked, (true, String::new()), "{shell}"),
            None => assert_ne!(shell, "bash", "bash is not installed"),
        }
    }
    let Run { code, stderr, .. } = run(binary().args(["completions", "cmd"]));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("\"cmd\" is not known") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn bash_completes_commands_and_flags() {
    let complete = r#"source /dev/stdin
        COMP_WORDS=(sessiond "$@") COMP_CWORD=$#
        _sessiond sessiond "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        echo "${COMPREPLY[@]}""#;
    let file = printed(&["completions", "bash"]);
    for (words, expected) in [(&["hand"][..], "handoff"), (&["serve", "--stall"], "--stall-timeout")] {
        let (succeeded, said) = piped(&[&["bash", "-c", complete, "bash"], words].concat(), &file).unwrap();
        assert_eq!((succeeded, said.trim()), (true, expected), "{words:?}");
    }
}

#[test]
fn the_manual_has_every_command_and_every_setting() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH sessiond 1"), "{page}");
    let help = printed(&["help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 20, "{help}");
    for command in commands.iter().filter(|command| !["help", "handoff", "csrf", "token", "key"].contains(command)) {
        assert!(page.contains(&format!(".SH \"sessiond {command}\"\n")), "{command}");
    }
    assert!(page.contains(".SH \"sessiond handoff issue\"\n"));
    for setting in printed(&["config"]).lines().filter(|line| line.starts_with("  ")) {
        let name = setting.split_whitespace().next().unwrap().replace('-', "\\-");
        assert!(page.contains(&format!("\\-\\-{name}\\fR")), "{name}");
    }
    if let Some((succeeded, said)) = piped(&["groff", "-man", "-Tutf8", "-ww", "-z"], &page) {
        assert_eq!((succeeded, said.as_str()), (true, ""));
    }
}

#[test]
fn the_example_of_a_settings_file_changes_no_setting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessiond.toml");
    let example = printed(&["config", "--example"]);
    fs::write(&path, &example).unwrap();
    let config = path.to_str().unwrap();
    assert_eq!(printed(&["config", "--config", config]), printed(&["config"]));

    // With its lines in force, it sets every setting to its default.
    let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
    let settings: Vec<&str> = example.lines().filter(is_setting).map(|line| &line[1..]).collect();
    fs::write(&path, settings.join("\n")).unwrap();
    let values = |table: String| -> Vec<Vec<String>> {
        let rows = table.lines().filter(|line| line.starts_with("  "));
        rows.map(|row| row.split_whitespace().take(2).map(str::to_owned).collect()).collect()
    };
    let defaults = values(printed(&["config"]));
    assert_eq!(settings.len(), defaults.len());
    assert_eq!(values(printed(&["config", "--config", config])), defaults);
}

#[test]
fn the_example_sets_what_is_given() {
    let example = printed(&["config", "--example", "--data-dir", "/var/lib/sessiond", "--listen", "unix:a,unix:b"]);
    let set: Vec<&str> = example.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(set, ["listen = [\"unix:a\", \"unix:b\"]", "data-dir = \"/var/lib/sessiond\""]);
    assert!(example.contains("\n#durability = \"always\"\n"), "{example}");
}
