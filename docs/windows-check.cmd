@echo off
rem Copyright: Contributors to the datapath.exchange collection
rem GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
rem SPDX-License-Identifier: GPL-3.0-or-later
rem
rem Shows what docs/windows.md assumes of a Windows host. It reads only: it changes no setting, opens no connection and writes no file but the one that
rem you redirect its output to. Pre-shared keys are left out. Run it as an administrator, read the result, and send it with your report:
rem
rem     windows-check.cmd > windows-check.txt 2>&1
rem
rem Each part is named as in docs/windows.md, followed by what the program printed and by its exit code.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "P=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"

echo === W-01 release
ver
"%T%\reg.exe" query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion" /v CurrentVersion
echo exit code %errorlevel%
"%T%\reg.exe" query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion" /v CurrentBuildNumber
echo exit code %errorlevel%
"%T%\reg.exe" query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion" /v CurrentMajorVersionNumber
echo exit code %errorlevel%

echo === W-02 elevation
"%T%\reg.exe" query "HKU\S-1-5-19" >nul 2>&1
echo exit code %errorlevel%

echo === W-03 programs
for %%p in (cmd reg netsh schtasks sc net findstr netstat shutdown) do if exist "%T%\%%p.exe" (echo %%p.exe present) else (echo %%p.exe ABSENT)
if exist "%T%\WindowsPowerShell\v1.0\powershell.exe" (echo powershell.exe present) else (echo powershell.exe ABSENT)
"%T%\reg.exe" query "HKLM\SOFTWARE\Microsoft\PowerShell\1\PowerShellEngine" /v PowerShellVersion
"%T%\reg.exe" query "HKLM\SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine" /v PowerShellVersion
"%T%\chcp.com"

echo === W-04 services
for %%s in (MpsSvc BFE IKEEXT) do "%T%\sc.exe" query %%s
for %%s in (MpsSvc BFE IKEEXT) do "%T%\reg.exe" query "HKLM\SYSTEM\CurrentControlSet\Services\%%s" /v Start
"%T%\sc.exe" query DatapathNoSuchService
echo exit code %errorlevel%

echo === W-05 exit codes for what is not there
"%T%\reg.exe" query "HKLM\SOFTWARE\datapath.exchange.no.such.key"
echo reg exit code %errorlevel%
"%T%\schtasks.exe" /query /tn datapath-no-such-task
echo schtasks exit code %errorlevel%
"%T%\netsh.exe" advfirewall firewall show rule name=datapath-no-such-rule
echo netsh exit code %errorlevel%
"%T%\netsh.exe" advfirewall no-such-command
echo netsh exit code %errorlevel%

echo === W-06 keys of the local store
"%T%\reg.exe" query "%P%"
echo exit code %errorlevel%

echo === W-07 firewall rules as stored
"%T%\reg.exe" query "%P%\FirewallRules"
echo exit code %errorlevel%

echo === W-08 connection security and main mode rules as stored
"%T%\reg.exe" query "%P%\ConSecRules"
"%T%\reg.exe" query "%P%\MainModeRules"

echo === W-09 sets as stored, without keys
for %%k in (Phase1AuthenticationSets Phase1AuthenticationSet Phase2AuthenticationSets Phase2AuthenticationSet Phase1CryptoSets Phase1CryptoSet Phase2CryptoSets Phase2CryptoSet) do "%T%\reg.exe" query "%P%\%%k" /s 2>nul | "%T%\findstr.exe" /v /i /c:"    SHKey    "

echo === W-10 profiles
for %%k in (DomainProfile StandardProfile PublicProfile) do "%T%\reg.exe" query "%P%\%%k" /s
"%T%\netsh.exe" advfirewall show allprofiles
echo exit code %errorlevel%

echo === W-11 Group Policy
"%T%\reg.exe" query "HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall" /s | "%T%\findstr.exe" /v /i /c:"    SHKey    "

echo === W-12 grammar of netsh
"%T%\netsh.exe" advfirewall firewall add rule ?
"%T%\netsh.exe" advfirewall consec add rule ?
"%T%\netsh.exe" advfirewall mainmode add rule ?
"%T%\netsh.exe" advfirewall set allprofiles ?
"%T%\netsh.exe" advfirewall set global ?
"%T%\netsh.exe" advfirewall export ?
"%T%\netsh.exe" advfirewall import ?
"%T%\netsh.exe" advfirewall set store ?

echo === W-13 associations
"%T%\netsh.exe" advfirewall show global
"%T%\netsh.exe" advfirewall monitor show mmsa
"%T%\netsh.exe" advfirewall monitor show qmsa

echo === W-14 dynamic ports
for %%f in (ipv4 ipv6) do for %%t in (tcp udp) do "%T%\netsh.exe" int %%f show dynamicport %%t
"%T%\reg.exe" query "HKLM\SOFTWARE\Microsoft\Rpc\Internet"
echo exit code %errorlevel%
"%T%\reg.exe" query "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem" /v "TCP/IP Port"
"%T%\reg.exe" query "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeSA\Parameters"
"%T%\netstat.exe" -ano

echo === W-15 time and its form
echo %DATE% %TIME%
"%T%\WindowsPowerShell\v1.0\powershell.exe" -NoProfile -NonInteractive -Command "[DateTime]::Now.ToString('s')"
echo exit code %errorlevel%

echo === W-16 redirected input reaches PowerShell
echo one| "%T%\WindowsPowerShell\v1.0\powershell.exe" -NoProfile -NonInteractive -Command "'lines: '+@($input).Count"
echo exit code %errorlevel%

echo === W-17 the firewall log
"%T%\reg.exe" query "%P%\DomainProfile\Logging"
if exist "%T%\LogFiles\Firewall\pfirewall.log" "%T%\findstr.exe" /b /c:"#" "%T%\LogFiles\Firewall\pfirewall.log"

echo === end
exit /b 0
