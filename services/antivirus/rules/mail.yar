/*
    The rules that come with Facteur: few, and of things that honest mail does not hold.

    meta.kind says what a match is (a kind of services/antivirus/domain/detections.py; a virus where it is missing) and so
    which policy is asked; meta.name is what findings call it. `message` is true while a whole message is looked at,
    encoded parts and all, and false for each decoded part and each member of an archive; these rules are asked about
    parts alone, unless there are others beside them.

    Conditions name each pattern (`$a or $b`) where YARA has `any of them`: only so it stops at the first match of each.
*/

rule eicar_test_file
{
    meta:
        name = "Eicar-Test-Signature"
        kind = "virus"
    strings:
        // In hexadecimal, so that no scanner of disks takes this file for one.
        $file = {
            58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43
            29 37 7D 24 45 49 43 41 52 2D 53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56
            49 52 55 53 2D 54 45 53 54 2D 46 49 4C 45 21 24 48 2B 48 2A
        }
    condition:
        $file
}

rule program_in_text
{
    meta:
        name = "Program in base64 in a page or script"
        kind = "disguised"
    strings:
        $header = "TVqQAAMAAAAEAAAA//8AALgAAAA"
        $page = "<script" nocase
        $html = "<html" nocase
        $vbs = "CreateObject" nocase
        $powershell = "FromBase64String" nocase
        $javascript = "ActiveXObject" nocase
    condition:
        not message and filesize < 32MB and $header
        and ($page or $html or $vbs or $powershell or $javascript)
}

rule html_smuggling
{
    meta:
        name = "Page that builds a file and saves it"
        kind = "suspicious"
    strings:
        $script = "<script" nocase
        $blob = "new Blob" nocase
        $url = "createObjectURL" nocase
        $save = "msSaveOrOpenBlob" nocase
        $decode = "atob(" nocase
        $octets = "new Uint8Array" nocase
        $name = /\.download\s{0,9}=|setAttribute\(\s{0,9}['"]download/ nocase
        $click = ".click()" nocase
    condition:
        not message and filesize < 32MB and $script and $blob and ($save or ($url and $name and $click))
        and ($decode or $octets)
}

rule script_that_downloads_and_runs
{
    meta:
        name = "Script that downloads and runs"
        kind = "suspicious"
    strings:
        $shell = "WScript.Shell" nocase
        $application = "Shell.Application" nocase
        $get = "MSXML2.XMLHTTP" nocase
        $get_too = "WinHttp.WinHttpRequest" nocase
        $get_server = "MSXML2.ServerXMLHTTP" nocase
        $stream = "ADODB.Stream" nocase
        $save = "SaveToFile" nocase
    condition:
        not message and filesize < 4MB and ($shell or $application) and ($get or $get_too or $get_server)
        and $stream and $save
}

rule shortcut_that_runs_an_interpreter
{
    meta:
        name = "Shortcut that runs an interpreter"
        kind = "disguised"
    strings:
        $a = "powershell" ascii wide nocase
        $b = "mshta" ascii wide nocase
        $c = "cmd.exe" ascii wide nocase
        $d = "wscript" ascii wide nocase
        $e = "rundll32" ascii wide nocase
    condition:
        uint32be(0) == 0x4C000000 and uint32be(4) == 0x01140200 and ($a or $b or $c or $d or $e)
}

rule rtf_with_active_object
{
    meta:
        name = "RTF that loads an object by itself"
        kind = "office_link"
    strings:
        $object = "\\objdata" nocase
        $update = "\\objupdate" nocase
        $link = "\\objautlink" nocase
        $equation = "4571756174696f6e2e33" nocase
        $template = /\{\\\*\\template\s{1,9}(https?:|\\\\|file:)/ nocase
    condition:
        uint32be(0) & 0xFFFFFF00 == 0x7B5C7200 and (($object and ($update or $link or $equation)) or $template)
}

rule diagnostic_tool_link
{
    meta:
        name = "Link that starts the diagnostic tool (CVE-2022-30190)"
        kind = "office_link"
    strings:
        $scheme = "ms-msdt:" nocase
        $browse = "IT_BrowseForFile" nocase
    condition:
        not message and $scheme and $browse
}

rule pdf_that_starts_a_program
{
    meta:
        name = "PDF that starts a program"
        kind = "suspicious"
    strings:
        $launch = /\/S\s{0,9}\/Launch/
        $cmd = "cmd.exe" nocase
        $powershell = "powershell" nocase
        $mshta = "mshta" nocase
    condition:
        uint32be(0) == 0x25504446 and $launch and ($cmd or $powershell or $mshta)
}

rule table_that_starts_a_program
{
    meta:
        name = "Table with a formula that starts a program"
        kind = "office_link"
    strings:
        $formula = /(^|[\n,;"])[=+@-](cmd|mshta|powershell|msexcel|rundll32)\|/ nocase
    condition:
        not message and filesize < 32MB and $formula
}
