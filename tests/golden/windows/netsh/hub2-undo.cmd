@echo off
rem datapath.exchange: this takes back what hub2.cmd made on hub2. Run it there as an administrator.
rem Windows Server 2019, roles hub_transport, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It imports hub2-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of hub2.cmd that
rem are still there after that are deleted by name. Without that file it does nothing, unless it is run as hub2-undo.cmd rules: then it deletes
rem the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0hub2-before.wfw" (echo hub2-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0hub2-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop 05160cd5" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in um-to-hub-smtp ced39a80" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mailbox-to-hub-submission 9570f100" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in edge-to-hub-smtp 163f900f" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in hub-to-hub-smtp 81728175" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management d9585223" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop 05160cd5|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in um-to-hub-smtp ced39a80|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mailbox-to-hub-submission 9570f100|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in edge-to-hub-smtp 163f900f|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in hub-to-hub-smtp 81728175|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management d9585223|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
if defined FAILED exit /b 1
del /q "%~dp0hub2-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
