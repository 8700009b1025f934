@echo off
rem datapath.exchange: this takes back what mbx4.cmd made on mbx4. Run it there as an administrator.
rem Windows Server 2008r2, roles mailbox, state enforced, scope documented, encryption as_documented, plan dee7f011f2ae.
rem It imports mbx4-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of mbx4.cmd that
rem are still there after that are deleted by name. Without that file it does nothing, unless it is run as mbx4-undo.cmd rules: then it deletes
rem the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0mbx4-before.wfw" (echo mbx4-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0mbx4-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site 818a7950" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop 9a7bea31" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 3b7e9071" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 1f59042a" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc bffb93d1" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc fde80339" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 21d26dfe" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 5aff8251" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 18dede70" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi 19edc0cb" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management 4cb9bf9a" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in client-access-mailbox-same-site 818a7950|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop 9a7bea31|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in oab-share-pull 3b7e9071|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 1f59042a|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc bffb93d1|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc fde80339|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 21d26dfe|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 8& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in availability-cas-to-mailbox 5aff8251|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 9& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mapi-to-mailbox 18dede70|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 10& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in hub-to-mailbox-mapi 19edc0cb|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 11& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management 4cb9bf9a|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 12& set "FAILED=1")
if defined FAILED exit /b 1
del /q "%~dp0mbx4-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
