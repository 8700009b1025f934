@echo off
rem datapath.exchange: this takes back what cas2.cmd made on cas2. Run it there as an administrator.
rem Windows Server 2012r2, roles client_access, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It imports cas2-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of cas2.cmd that
rem are still there after that are deleted by name. Without that file it does nothing, unless it is run as cas2-undo.cmd rules: then it deletes
rem the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0cas2-before.wfw" (echo cas2-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0cas2-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site 6fd2823c" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in cas-to-cas-activesync 1cbb2081" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in availability-service db2eba26" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in autodiscover 3fbce8ab" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in autodiscover 48cafb2a" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management 50aecdfd" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in client-access-mailbox-same-site 6fd2823c|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop adc02d37|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in cas-to-cas-activesync 1cbb2081|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in availability-service db2eba26|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in autodiscover 3fbce8ab|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in autodiscover 48cafb2a|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management 50aecdfd|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 8& set "FAILED=1")
if defined FAILED exit /b 1
del /q "%~dp0cas2-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
